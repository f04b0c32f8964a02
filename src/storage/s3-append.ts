import { Fault } from '../errors.ts'
import { endOf, endOfParts, LARGEST_OBJECT_BYTES, type Piece, partSizeAt } from './s3-pieces.ts'
import type { Reading } from './s3-read.ts'
import { type Spool, type SpoolFile, splitAt } from './s3-spool.ts'
import { restKey, type Turn } from './s3-turn.ts'
import type { Appender } from './storage.ts'

/** An appender as `join` uses it. */
export interface S3Appender extends Appender {
  /** Bytes behind the last part that are not a part yet. */
  readonly pending: number
  /** Makes a part of what is pending; nothing where there is nothing. */
  endPart(): Promise<void>
  /** Adds bytes that the store has. Only where nothing is pending. */
  copy(source: { key: string; first: number; last: number }): Promise<void>
}

interface Sending {
  /** Never rejects. */
  done: Promise<void>
  stop: AbortController
}

/**
 * Bytes go to a file on this machine. One that is as long as a part is sent while the next is
 * filled: two files and a few chunks on their way, however long the body is. What a sync finds in a
 * file that is not full is stored beside the parts, as a tail, and read back by the next append.
 */
export async function openAppender(
  {
    turn,
    spool,
    reading,
    usual,
  }: {
    turn: Turn
    spool: Spool
    reading: Reading
    /** Bytes of the smallest part that is used before the last one. */
    usual?: number | undefined
  },
  offset: number,
): Promise<S3Appender> {
  let filling: SpoolFile | undefined
  /** The part before the one that is being filled, on its way. */
  let sending: Sending | undefined
  let failure: unknown
  /** First byte of the file; the next one to come; the first one that is not stored. */
  let start = 0
  let position = offset
  let synced = offset
  /** Where the bytes from `start` to `position` are, while there is no file. */
  let rest: Piece | null = null

  const capacity = () => partSizeAt(turn.object.partSize, start, usual)

  async function goBack(size: number): Promise<void> {
    const found = await turn.goBack(size)
    start = endOfParts(found.parts)
    rest = found.rest
    position = size
    synced = size
    // Not the end of what was stored once, but a place in it: from here on it is one.
    if (rest !== null && endOf(rest) > size) await putTail(await file())
  }

  /** The file that is being filled, with what stands before the next byte. */
  async function file(): Promise<SpoolFile> {
    if (filling !== undefined) return filling
    const made = await spool.create()
    try {
      if (rest !== null && position > start) {
        const key = restKey(turn.object, rest)
        const range = { start: 0, end: position - start - 1 }
        for await (const chunk of reading.stream(key, range)) await made.write([chunk as Buffer])
        if (made.size !== position - start) throw new Error(`a tail has ${made.size} bytes`)
      }
    } catch (error) {
      await made.close()
      throw error
    }
    filling = made
    return made
  }

  async function write(buffers: readonly Uint8Array[]): Promise<void> {
    let left = buffers
    while (left.length > 0) {
      const now = await file()
      const room = capacity() - now.size
      const next = partSizeAt(turn.object.partSize, start + capacity(), usual)
      const [batch, after] = splitAt(left, room + next)
      await writeBatch(now, batch, room)
      left = after
    }
  }

  /** All of it or nothing: where the end of a part falls into it, both files have to take theirs. */
  async function writeBatch(now: SpoolFile, batch: Uint8Array[], room: number): Promise<void> {
    const bytes = batch.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (position + bytes > LARGEST_OBJECT_BYTES) throw new Fault('too-large')
    if (bytes <= room) await now.write(batch)
    else {
      await sent()
      const [before, behind] = splitAt(batch, room)
      const { size } = now
      const next = await spool.create()
      try {
        await now.write(before)
        await next.write(behind)
      } catch (error) {
        await next.close()
        await now.truncate(size).catch(() => {})
        throw error
      }
      send(now, start)
      start += now.size
      filling = next
      rest = null
    }
    position += bytes
  }

  function send(full: SpoolFile, from: number): void {
    const stop = new AbortController()
    const work = async () => {
      try {
        await turn.putPart(await full.body(), from, stop.signal)
      } finally {
        await full.close()
      }
    }
    const done = work().catch((error: unknown) => {
      failure ??= error
    })
    sending = { done, stop }
  }

  /** Rejects where a part could not be sent: what comes after it is worth nothing. */
  async function sent(): Promise<void> {
    await sending?.done
    sending = undefined
    if (failure !== undefined) throw failure
  }

  async function sync(whole = false): Promise<void> {
    await sent()
    if (position === synced) return
    const now = await file()
    if (whole && start === 0 && turn.object.multipartsBegun === 0 && (await putWhole(now))) return
    if (whole || now.size === capacity()) await putPart(now)
    else await putTail(now)
  }

  async function putTail(now: SpoolFile): Promise<void> {
    await turn.putRest('tail', await now.body(), start)
    synced = position
  }

  async function putWhole(now: SpoolFile): Promise<boolean> {
    const stored = await turn.putRest('whole', await now.body(), 0)
    if (stored) synced = position
    return stored
  }

  async function putPart(now: SpoolFile): Promise<void> {
    await turn.putPart(await now.body(), start)
    await turn.keepPoint(position)
    await now.close()
    filling = undefined
    rest = null
    start = position
    synced = position
  }

  async function truncate(size: number): Promise<void> {
    if (size > position) throw new Error(`${size} is behind the end at ${position}`)
    if (size === position && failure === undefined) return
    if (size >= start && size >= synced && failure === undefined) {
      await (await file()).truncate(size - start)
      position = size
      return
    }
    await drop()
    await goBack(size)
  }

  /** Lets go of whatever is not stored. */
  async function drop(): Promise<void> {
    sending?.stop.abort()
    await sending?.done
    sending = undefined
    failure = undefined
    await filling?.close()
    filling = undefined
  }

  await goBack(offset)
  return {
    get pending() {
      return position - start
    },
    write,
    sync,
    truncate,
    async readHead(length) {
      if (start > 0) throw new Error('the head of the object has been sent')
      return (await file()).head(Math.min(length, position))
    },
    async close() {
      await drop()
      await turn.settled()
    },
    async endPart() {
      await sent()
      if (position > start) await putPart(await file())
    },
    async copy(source) {
      await sent()
      if (position > start) throw new Error('there are bytes before it that are no part yet')
      const size = source.last - source.first + 1
      await turn.copyPart(source, start)
      start += size
      position = start
      synced = start
    },
  }
}
