import { ascii, type ByteSource, viewOf } from './bytes.ts'

/** Objects of the header that are looked at. */
const objectsMax = 512

/** GUIDs as they stand in a file (ASF 1.20.5 §10). */
const streamProperties = '9107dcb7b7a9cf118ee600c00c205365'
const audioMedia = '409e69f84d5bcf11a8fd00805f5c442b'
const videoMedia = 'c0ef19bc4d5bcf11a8fd00805f5c442b'

const guid = (bytes: Uint8Array, at: number): string =>
  Buffer.from(ascii(bytes, at, at + 16), 'latin1').toString('hex')

/** A Windows Media file's kind: every stream is looked at, since sound may be listed first. */
export const asfMime = async (source: ByteSource): Promise<string> => {
  let hasAudio = false
  let at = 30
  for (let count = 0; count < objectsMax; count++) {
    const header = await source.read(at, 40)
    if (header.length < 24) break
    const length = Number(viewOf(header).getBigUint64(16, true))
    if (guid(header, 0) === streamProperties) {
      const media = guid(header, 24)
      if (media === videoMedia) return 'video/x-ms-asf'
      hasAudio ||= media === audioMedia
    }
    if (length < 24) break
    at += length
  }
  return hasAudio ? 'audio/x-ms-asf' : 'video/x-ms-asf'
}
