import { Readable } from 'node:stream'
import { type S3, withTries } from './s3-client.ts'
import { s3Code, s3Fault } from './s3-faults.ts'
import type { ByteRange } from './storage.ts'

export interface Reading {
  /** The bytes of a range, or all; nothing where the range lies behind the object. */
  stream(key: string, range?: ByteRange): Readable
  /** At most `length` bytes from `start`, in memory. */
  bytes(key: string, start: number, length: number): Promise<Buffer>
}

/** Answers that may break without a byte in between. */
const BARREN_TRIES = 3

/**
 * @param resolve another key for one that the store does not have; rejects where there is none.
 */
export function createReading(
  { sdk, client, bucket: Bucket, prefix }: S3,
  resolve: (key: string) => Promise<string>,
): Reading {
  async function open(key: string, range: ByteRange | undefined, stop: AbortSignal) {
    const input = {
      Bucket,
      Key: prefix + key,
      Range: range && `bytes=${range.start}-${range.end}`,
    }
    // Not the try's own signal but the reader's: the body is read after the try.
    const { Body } = await withTries(
      () => client.send(new sdk.GetObjectCommand(input), { abortSignal: stop }),
      stop,
    )
    return Body as Readable
  }

  /**
   * A store closes a connection on which a slow client has let it wait. The object does not change,
   * so reading goes on from there with a new request.
   */
  async function* chunks(key: string, range: ByteRange | undefined, stop: AbortSignal) {
    const end = range?.end ?? Number.MAX_SAFE_INTEGER
    let at = range?.start ?? 0
    for (let barren = 0; at <= end; ) {
      const before = at
      try {
        const asked = range === undefined && at === 0 ? undefined : { start: at, end }
        for await (const chunk of await open(key, asked, stop)) {
          at += (chunk as Buffer).byteLength
          yield chunk as Buffer
        }
        return
      } catch (error) {
        if (s3Code(error) === 'InvalidRange') return
        barren = at === before ? barren + 1 : 0
        if (stop.aborted || (at === before && (barren > BARREN_TRIES || !isBroken(error))))
          throw error
      }
    }
  }

  async function* resolved(key: string, range: ByteRange | undefined, stop: AbortSignal) {
    let any = false
    try {
      for await (const chunk of chunks(key, range, stop)) {
        any = true
        yield chunk
      }
    } catch (error) {
      if (any || s3Code(error) !== 'NoSuchKey') throw error
      yield* chunks(await resolve(key), range, stop)
    }
  }

  async function* guarded(key: string, range: ByteRange | undefined, stop: AbortSignal) {
    try {
      yield* resolved(key, range, stop)
    } catch (error) {
      throw s3Fault(error)
    }
  }

  function stream(key: string, range?: ByteRange): Readable {
    const reader = new AbortController()
    const source = guarded(key, range, reader.signal)
    return new Readable({
      read() {
        source.next().then(
          ({ value, done }) => this.push(done ? null : value),
          (error: Error) => this.destroy(error),
        )
      },
      destroy(error, done) {
        // First: a source that waits for the store ends by it, and nothing stays open behind it.
        reader.abort()
        source.return().then(
          () => done(error),
          () => done(error),
        )
      },
    })
  }

  return {
    stream,
    async bytes(key, start, length) {
      if (length === 0) return Buffer.alloc(0)
      return Buffer.concat(await stream(key, { start, end: start + length - 1 }).toArray())
    },
  }
}

/** The connection broke while bytes came; what was an answer is none of that. */
function isBroken(error: unknown): boolean {
  return !(error as { $metadata?: object }).$metadata
}
