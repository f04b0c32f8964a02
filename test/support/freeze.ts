import type { Replacements } from '../../src/compose.ts'
import type { Appender, Storage } from '../../src/storage/storage.ts'

type StorageCall = 'append' | 'write' | 'sync' | 'truncate' | 'finalise' | 'remove'

export interface Freezer extends Required<Pick<Replacements, 'at' | 'wrapStorage'>> {
  /**
   * Stops this process with SIGSTOP the next time that it comes to a named step of an upload's life,
   * or (`before-write` and the like) hands a call to the storage, with every question that it asks
   * itself before answered. `where:n` is the n-th time. Somebody else wakes it.
   */
  arm(where: string): void
}

export function createFreezer(): Freezer {
  let name: string | undefined
  let left = 0
  const reach = (reached: string) => {
    if (reached !== name || --left > 0) return
    name = undefined
    process.kill(process.pid, 'SIGSTOP')
  }
  const before = (call: StorageCall) => reach(`before-${call}`)
  const watched = (appender: Appender): Appender => ({
    ...appender,
    write(buffers) {
      before('write')
      return appender.write(buffers)
    },
    sync(whole) {
      before('sync')
      return appender.sync(whole)
    },
    truncate(size) {
      before('truncate')
      return appender.truncate(size)
    },
  })
  return {
    arm(where) {
      const [step, times = '1'] = where.split(':')
      name = step
      left = Number(times)
    },
    at: reach,
    wrapStorage: (storage: Storage) => ({
      ...storage,
      async append(...args) {
        before('append')
        return watched(await storage.append(...args))
      },
      finalise(...args) {
        before('finalise')
        return storage.finalise(...args)
      },
      remove(key) {
        before('remove')
        return storage.remove(key)
      },
    }),
  }
}
