import { type StoredPart, sendBody, sourceOf } from './s3-bucket.ts'
import { type S3, withTries } from './s3-client.ts'
import { s3Code } from './s3-faults.ts'
import type { Body } from './s3-spool.ts'

/** The requests that multipart uploads take. Keys are without the prefix. */
export interface Multipart {
  /**
   * One try: an answer that is lost leaves an upload that only a listing finds, so the caller counts
   * every one.
   *
   * @param checksums whether each part has to have a CRC-32. A part that is copied has none with
   *   every store.
   */
  begin(key: string, checksums: boolean): Promise<string>
  put(
    key: string,
    id: string,
    number: number,
    body: Body,
    signal?: AbortSignal,
  ): Promise<StoredPart>
  /** A part of bytes that the store has already, `first` to `last`. */
  copy(
    key: string,
    id: string,
    number: number,
    source: { key: string; first: number; last: number },
  ): Promise<StoredPart>
  complete(key: string, id: string, parts: readonly StoredPart[]): Promise<void>
  abort(key: string, id: string): Promise<void>
  /** Ids of all uploads of exactly this key. */
  list(key: string): Promise<string[]>
}

export function createMultipart(s3: S3): Multipart {
  const { sdk, client, bucket: Bucket, prefix } = s3
  const at = (key: string, UploadId: string) => ({ Bucket, Key: prefix + key, UploadId })

  return {
    async begin(key, checksums) {
      const ChecksumAlgorithm = checksums ? ('CRC32' as const) : undefined
      const input = { Bucket, Key: prefix + key, ChecksumAlgorithm }
      const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand(input))
      if (UploadId === undefined) throw new Error('the store gave a multipart upload no id')
      return UploadId
    },

    async put(key, id, number, body, stop) {
      const { ETag = '' } = await withTries(
        (abortSignal) =>
          sendBody(body, abortSignal, (Body) =>
            client.send(
              new sdk.UploadPartCommand({
                ...at(key, id),
                PartNumber: number,
                Body,
                ContentLength: body.size,
                ChecksumCRC32: body.checksum,
              }),
              { abortSignal },
            ),
          ),
        stop,
      )
      return { number, etag: ETag, checksum: body.checksum ?? null }
    },

    async copy(key, id, number, { key: source, first, last }) {
      const input = {
        ...at(key, id),
        PartNumber: number,
        CopySource: sourceOf(s3, source),
        CopySourceRange: `bytes=${first}-${last}`,
      }
      const { CopyPartResult: made } = await withTries((abortSignal) =>
        client.send(new sdk.UploadPartCopyCommand(input), { abortSignal }),
      )
      return { number, etag: made?.ETag ?? '', checksum: null }
    },

    async complete(key, id, parts) {
      const Parts = parts.map(({ number, etag, checksum }) => ({
        PartNumber: number,
        ETag: etag,
        ChecksumCRC32: checksum ?? undefined,
      }))
      const input = { ...at(key, id), MultipartUpload: { Parts } }
      await withTries((abortSignal) =>
        client.send(new sdk.CompleteMultipartUploadCommand(input), { abortSignal }),
      )
    },

    async abort(key, id) {
      await withTries((abortSignal) =>
        client.send(new sdk.AbortMultipartUploadCommand(at(key, id)), { abortSignal }),
      ).catch((error: unknown) => {
        if (s3Code(error) !== 'NoSuchUpload') throw error
      })
    },

    async list(key) {
      const ids: string[] = []
      let from: { KeyMarker?: string; UploadIdMarker?: string } = {}
      for (;;) {
        const input = { Bucket, Prefix: prefix + key, ...from }
        const page = await withTries((abortSignal) =>
          client.send(new sdk.ListMultipartUploadsCommand(input), { abortSignal }),
        )
        // The prefix of one key can be another one: only our own are ever touched.
        for (const { Key, UploadId } of page.Uploads ?? [])
          if (Key === prefix + key && UploadId !== undefined) ids.push(UploadId)
        const { NextKeyMarker, NextUploadIdMarker } = page
        if (!page.IsTruncated || NextKeyMarker === undefined) return ids
        from = {
          KeyMarker: NextKeyMarker,
          ...(NextUploadIdMarker && { UploadIdMarker: NextUploadIdMarker }),
        }
      }
    },
  }
}
