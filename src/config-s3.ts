import type { Kind } from './config-values.ts'
import * as kinds from './config-values.ts'
import type { VariableName } from './config-variables.ts'
import { isResumable } from './streams/digest-algorithms.ts'

/** Where the bucket is. Credentials are not settings of ours: the AWS SDK finds them. */
export interface S3Settings {
  readonly bucket: string
  /** Undefined: AWS. */
  readonly endpoint: string | undefined
  /** Undefined: as the AWS SDK finds it. */
  readonly region: string | undefined
  readonly forcePathStyle: boolean
  /** Empty, or ends in a slash. */
  readonly prefix: string
  readonly checksums: boolean
}

/** What of the reader of settings is needed here. */
interface Reader {
  given<T>(name: VariableName, kind: Kind<T>): T | undefined
  read<T>(name: VariableName, kind: Kind<T>): T
  problems: string[]
}

/** Null with STORAGE=disk. */
export function s3Of(
  { given, read, problems }: Reader,
  storage: 'disk' | 's3',
  { chunkedChecksum }: { chunkedChecksum: string },
): S3Settings | null {
  const before = problems.length
  const settings = {
    bucket: given('S3_BUCKET', kinds.bucketName) ?? '',
    endpoint: given('S3_ENDPOINT', kinds.baseUrl),
    region: given('S3_REGION', kinds.region),
    forcePathStyle: read('S3_FORCE_PATH_STYLE', kinds.yesNo),
    prefix: given('S3_PREFIX', kinds.keyPrefix) ?? '',
    checksums: read('S3_CHECKSUMS', kinds.oneOf(['when_supported', 'when_required'])),
  }
  const { checksums, bucket } = settings
  const isGood = problems.length === before
  if (storage === 'disk') {
    // Somebody who names a bucket does not mean this machine's disk.
    if (bucket !== '')
      problems.push('S3_BUCKET: set, but bytes go to disk; give STORAGE=s3, or remove it')
    return null
  }
  if (bucket === '' && isGood) problems.push('S3_BUCKET: not set; STORAGE=s3 stores there')
  // What arrived before cannot be read again while an upload is not finished.
  if (!isResumable(chunkedChecksum))
    problems.push(
      `CHUNKED_CHECKSUM: ${chunkedChecksum} cannot be kept from one chunk to the next, which ` +
        'STORAGE=s3 needs; give md5, sha256 or another one of docs/s3.md',
    )
  return { ...settings, checksums: checksums === 'when_supported' }
}
