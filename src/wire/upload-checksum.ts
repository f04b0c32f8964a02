/** The value of an Upload-Checksum header or trailer. */
export interface UploadChecksum {
  /** As it was sent; whether it is known is for the caller to say. */
  algorithm: string
  digest: Uint8Array
}

/**
 * Reads a tus 1.0 Upload-Checksum: "The header MUST consist of the name of the used checksum
 * algorithm and the Base64 encoded checksum separated by a space." Base64 is that of RFC 4648 §4,
 * with its padding. Null for anything else, a value that came twice included.
 */
export function parseUploadChecksum(text: string): UploadChecksum | null {
  const match = /^([!-~]+) ((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(
    text,
  )
  const [, algorithm = '', base64 = ''] = match ?? []
  return base64 === '' ? null : { algorithm, digest: Buffer.from(base64, 'base64') }
}
