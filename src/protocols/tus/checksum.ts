import type { IncomingMessage } from 'node:http'
import { Fault } from '../../errors.ts'
import { createHasher } from '../../streams/digest-algorithms.ts'
import type { AppendInput } from '../../uploads/uploads.ts'
import { parseUploadChecksum, type UploadChecksum } from '../../wire/upload-checksum.ts'

/** "The Server MUST support at least the SHA1 checksum algorithm". CRCs are 4 bytes, big-endian. */
export const CHECKSUM_ALGORITHMS = ['md5', 'sha1', 'sha256', 'sha512', 'crc32', 'crc32c']

/** What the body of a request must amount to; where it is a trailer, that is told at its end. */
export type BodyChecksum = UploadChecksum | 'trailer'

/** What a request says of its body before the body: a checksum, that one will follow, or nothing. */
export function parseBodyChecksum(
  header: (name: string) => string | undefined,
): BodyChecksum | null {
  const sent = header('upload-checksum')
  const announced = (header('trailer') ?? '')
    .split(',')
    .some((name) => name.trim().toLowerCase() === 'upload-checksum')
  if (sent === undefined) return announced ? 'trailer' : null
  if (announced) throw badChecksum('Send Upload-Checksum as a header or as a trailer, not as both.')
  return parseChecksum(sent)
}

/** What the core has to verify; the trailer is there when it asks. */
export function verificationOf(
  checksum: BodyChecksum,
  incoming: Pick<IncomingMessage, 'trailers'>,
): NonNullable<AppendInput['verify']> {
  if (checksum !== 'trailer')
    return { algorithm: checksum.algorithm, expected: () => checksum.digest }
  const trailer = () => {
    const sent = incoming.trailers['upload-checksum']
    if (sent === undefined)
      throw badChecksum('The trailer Upload-Checksum was announced and did not come.')
    return parseChecksum(sent)
  }
  const told = () => trailer().algorithm
  return { algorithm: { among: CHECKSUM_ALGORITHMS, told }, expected: () => trailer().digest }
}

/** A request without bytes has a checksum too, and it may be wrong. */
export function requireChecksumOfNothing(header: (name: string) => string | undefined): void {
  const checksum = parseBodyChecksum(header)
  if (checksum === null || checksum === 'trailer') return
  const { algorithm, digest } = checksum
  if (createHasher(algorithm).digest() !== Buffer.from(digest).toString('hex'))
    throw new Fault('digest-mismatch')
}

function parseChecksum(text: string): UploadChecksum {
  const checksum = parseUploadChecksum(text)
  if (checksum === null)
    throw badChecksum('Upload-Checksum must be an algorithm, a space and a base64 digest.')
  if (!CHECKSUM_ALGORITHMS.includes(checksum.algorithm))
    throw badChecksum(`Upload-Checksum knows ${CHECKSUM_ALGORITHMS.join(', ')}.`)
  return checksum
}

function badChecksum(text: string): Fault {
  return new Fault('bad-request', { text })
}
