import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import type { S3 } from './s3-client.ts'
import { withTries } from './s3-client.ts'
import { isNoSuchKey, s3Code, s3Status } from './s3-faults.ts'
import { type Body, base64Sum } from './s3-spool.ts'

/** A part of a multipart upload, as the store has it. */
export interface StoredPart {
  number: number
  etag: string
  checksum: string | null
}

/** The requests that whole objects take. Keys are without the prefix. */
export interface Bucket {
  /** @returns null where `onlyNew` and there is an object already. */
  put(
    key: string,
    body: Body,
    options?: { onlyNew?: boolean; signal?: AbortSignal },
  ): Promise<string | null>
  putBytes(key: string, bytes: Uint8Array): Promise<void>
  /** Copies within the store. */
  copy(from: string, to: string): Promise<void>
  /** Null where there is no such object. */
  size(key: string): Promise<number | null>
  remove(key: string): Promise<void>
  /** Keys that end like this. */
  keys(ending: string): AsyncIterable<string>
  ping(): Promise<void>
}

export function createBucket(s3: S3): Bucket {
  const { sdk, client, bucket: Bucket, prefix, checksums } = s3
  /** Turned off where the store turns out to know no conditional writes. */
  let conditional = true

  async function put(
    key: string,
    body: Body,
    { onlyNew = false, signal }: { onlyNew?: boolean; signal?: AbortSignal } = {},
  ): Promise<string | null> {
    const send = (abortSignal: AbortSignal, IfNoneMatch?: '*') =>
      sendBody(body, abortSignal, (Body) =>
        client.send(
          new sdk.PutObjectCommand({
            Bucket,
            Key: prefix + key,
            Body,
            ContentLength: body.size,
            ChecksumCRC32: checksums ? body.checksum : undefined,
            IfNoneMatch,
          }),
          { abortSignal },
        ),
      )
    try {
      const { ETag } = await withTries(
        (s) => send(s, onlyNew && conditional ? '*' : undefined),
        signal,
      )
      return ETag ?? ''
    } catch (error) {
      if (onlyNew && s3Status(error) === 412) return null
      if (!onlyNew || !conditional || !isUnknownCondition(error)) throw error
      conditional = false
      return put(key, body, { onlyNew, ...(signal && { signal }) })
    }
  }

  return {
    put,

    async putBytes(key, bytes) {
      const command = () =>
        new sdk.PutObjectCommand({
          Bucket,
          Key: prefix + key,
          Body: bytes,
          ContentLength: bytes.byteLength,
          ChecksumCRC32: checksums ? base64Sum(crc32(bytes)) : undefined,
        })
      await withTries((abortSignal) => client.send(command(), { abortSignal }))
    },

    async copy(from, to) {
      await withTries((abortSignal) =>
        client.send(
          new sdk.CopyObjectCommand({ Bucket, Key: prefix + to, CopySource: sourceOf(s3, from) }),
          { abortSignal },
        ),
      )
    },

    async size(key) {
      try {
        const found = await withTries((abortSignal) =>
          client.send(new sdk.HeadObjectCommand({ Bucket, Key: prefix + key }), { abortSignal }),
        )
        return found.ContentLength ?? 0
      } catch (error) {
        if (isNoSuchKey(error)) return null
        throw error
      }
    },

    async remove(key) {
      await withTries((abortSignal) =>
        client.send(new sdk.DeleteObjectCommand({ Bucket, Key: prefix + key }), { abortSignal }),
      ).catch((error: unknown) => {
        if (!isNoSuchKey(error)) throw error
      })
    },

    async *keys(ending) {
      for (let token: string | undefined; ; ) {
        const input = { Bucket, Prefix: prefix, ContinuationToken: token }
        const page = await withTries((abortSignal) =>
          client.send(new sdk.ListObjectsV2Command(input), { abortSignal }),
        )
        for (const { Key } of page.Contents ?? [])
          if (Key?.endsWith(ending)) yield Key.slice(prefix.length)
        token = page.NextContinuationToken
        if (!page.IsTruncated || token === undefined) return
      }
    },

    async ping() {
      await withTries((abortSignal) =>
        client.send(new sdk.HeadBucketCommand({ Bucket }), { abortSignal }),
      )
    },
  }
}

/** One try. Where the stream breaks it rejects at once, and the signal ends its request. */
export async function sendBody<T>(
  body: Body,
  signal: AbortSignal,
  send: (stream: Readable) => Promise<T>,
): Promise<T> {
  const stream = body.open()
  const broken = new Promise<never>((_, reject) => stream.on('error', reject))
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([send(stream), broken])
  } finally {
    signal.removeEventListener('abort', stop)
    stream.destroy()
  }
}

/** An object as the source of a copy. */
export function sourceOf({ bucket, prefix }: S3, key: string): string {
  return encodeURI(`${bucket}/${prefix}${key}`)
}

/** The store does not know the header at all; one that knows it answers 412. */
function isUnknownCondition(error: unknown): boolean {
  return s3Status(error) === 501 || s3Code(error) === 'NotImplemented'
}
