import { setTimeout as delay } from 'node:timers/promises'
import type { S3Client } from '@aws-sdk/client-s3'
import { bucketProblem, isPassing } from './s3-faults.ts'

export interface S3Options {
  bucket: string
  /** Put before every key; empty, or ends in a slash. */
  prefix: string
  /** Undefined: AWS. */
  endpoint: string | undefined
  /** Undefined: as the SDK finds it; with an endpoint it may find none. */
  region: string | undefined
  /** The bucket in the path instead of in the host name. */
  forcePathStyle: boolean
  /** Whether bytes are sent with a CRC-32 that the store checks, as most do. */
  checksums: boolean
}

/** The SDK, loaded, and a client that has reached its bucket. */
export interface S3 extends S3Options {
  sdk: typeof import('@aws-sdk/client-s3')
  client: S3Client
}

const CONNECT_MS = 5000
/** Milliseconds without a byte in either direction after which a request is given up. */
const SILENT_MS = 60_000
/** Uploads that send and downloads that read, all at once, hold a connection each. */
const MAX_CONNECTIONS = 1000
/** Pauses before the next try of what may pass, in milliseconds. */
const PAUSES = [100, 400, 1600]
/** For a store that has its region in its name, or none. */
const ANY_REGION = 'us-east-1'

/**
 * Loads the SDK and looks whether the bucket can be used.
 *
 * @throws Error whose message tells whoever runs the server what to mend.
 */
export async function connectS3(options: S3Options): Promise<S3> {
  const sdk = await import('@aws-sdk/client-s3')
  const connect = (region: string | undefined) =>
    new sdk.S3Client({
      region,
      endpoint: options.endpoint,
      forcePathStyle: options.forcePathStyle,
      // Checksums are ours: computed once, from the bytes as they came in. The SDK's own make it
      // send bodies in a framing that not every store reads.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // Tries are ours too: a stream can be sent once only, and some have to be counted first.
      maxAttempts: 1,
      // With it every part would have a connection of its own.
      expectContinueHeader: false,
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        socketTimeout: SILENT_MS,
        httpAgent: { maxSockets: MAX_CONNECTIONS },
        httpsAgent: { maxSockets: MAX_CONNECTIONS },
      },
      logger: SILENT,
    })
  const client = await withRegion(connect, options)
  const s3 = { ...options, sdk, client }
  const { bucket, prefix } = options
  try {
    // Not HeadBucket: the answer to HEAD has no body to say what is wrong.
    await withTries(() =>
      client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })),
    )
    return s3
  } catch (error) {
    client.destroy()
    throw new Error(bucketProblem(error, options), { cause: error })
  }
}

async function withRegion(
  connect: (region: string | undefined) => S3Client,
  { region, endpoint }: S3Options,
): Promise<S3Client> {
  const client = connect(region)
  try {
    await client.config.region()
    return client
  } catch (error) {
    client.destroy()
    if (endpoint !== undefined) return connect(ANY_REGION)
    throw new Error('S3_REGION: not set, and nothing else says where the bucket is', {
      cause: error,
    })
  }
}

const ignore = () => {}
/** What the SDK would write to the console is told by its errors. */
const SILENT = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore }

/**
 * Does it again after 0.1, 0.4 and 1.6 s where the trouble may pass. Each try has a signal that ends
 * its request; it fires also when the try has failed, so that no half-sent request stays.
 */
export async function withTries<T>(
  work: (signal: AbortSignal) => Promise<T>,
  stop?: AbortSignal,
): Promise<T> {
  for (let run = 0; ; run++) {
    const own = new AbortController()
    const signal = stop === undefined ? own.signal : AbortSignal.any([own.signal, stop])
    try {
      return await work(signal)
    } catch (error) {
      own.abort()
      const pause = PAUSES[run]
      if (pause === undefined || stop?.aborted || !isPassing(error)) throw error
      await delay(pause)
    }
  }
}
