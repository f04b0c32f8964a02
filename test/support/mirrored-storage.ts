import type { Appender, Storage } from '../../src/storage/storage.ts'

/** What all servers on one store share. */
export interface Mirror {
  disk: Storage
  /** Where unfinished objects will be, and may be already: nobody is told of them there. */
  targets: Map<string, string>
}

export interface Mirrored {
  storage: Storage
  /** What the two differ in, as `key: here, there`. */
  differences(): Promise<string[]>
}

/**
 * A storage with a folder beside it in which the same is done to a disk storage: tests that look
 * into the folder find what they expect there, and whoever asks is told where the two differ. Bytes
 * are read from the storage alone.
 */
export function mirroredStorage(storage: Storage, { disk, targets }: Mirror): Mirrored {
  const both = async (change: (each: Storage) => Promise<void>) => {
    await change(storage)
    await change(disk)
  }

  async function differences(): Promise<string[]> {
    const keys = new Set<string>()
    for await (const key of storage.keys?.('') ?? []) if (!/\.tail\.\d+$/.test(key)) keys.add(key)
    for await (const key of disk.keys?.('') ?? []) keys.add(key)
    const found: string[] = []
    for (const key of targets.values()) keys.delete(key)
    for (const key of keys) {
      const [there, here] = await Promise.all([storage.size(key), disk.size(key)])
      if (there !== here) found.push(`${key}: ${there}, on disk ${here}`)
    }
    return found
  }

  return {
    storage: {
      ...storage,
      async create(key, plan) {
        await both((each) => each.create(key, plan))
        if (plan?.target !== undefined) targets.set(key, plan.target)
      },
      async remove(key) {
        await both((each) => each.remove(key))
        targets.delete(key)
      },
      put: (key, bytes) => both((each) => each.put(key, bytes)),
      async finalise(key, size, to) {
        await both((each) => each.finalise(key, size, to))
        targets.delete(key)
      },
      join: (key, sources, isOurs) => both((each) => each.join(key, sources, isOurs)),
      append: async (key, offset, isOurs) => {
        const appender = await storage.append(key, offset, isOurs)
        const mirror = await disk.append(key, offset)
        return mirroredAppender(appender, mirror, offset)
      },
    },
    differences,
  }
}

function mirroredAppender(appender: Appender, mirror: Appender, offset: number): Appender {
  let position = offset
  let synced = offset
  return {
    ...appender,
    async write(buffers) {
      await appender.write(buffers)
      await mirror.write(buffers)
      for (const { byteLength } of buffers) position += byteLength
    },
    async sync(whole) {
      await appender.sync(whole)
      synced = position
    },
    async truncate(size) {
      await mirror.truncate(size)
      position = size
      synced = Math.min(synced, size)
      await appender.truncate(size)
    },
    async close() {
      // A file keeps what was not synced while the process lives; this storage does not.
      await mirror.truncate(synced).catch(() => {})
      await mirror.close()
      await appender.close()
    },
  }
}
