import { ascii, type ByteSource } from './bytes.ts'

/** Streams of one file that are looked at. */
const streamsMax = 64

const videoCodecs = ['\x80theora', '\x01video\0', 'BBCD\0', 'OVP80']
const audioCodecs = ['OpusHead', '\x01vorbis', '\x7fFLAC', 'Speex   ', 'CELT    ', '\x01audio\0']

/**
 * An Ogg file's kind by its streams: the first pages, one per stream, are marked as beginnings and
 * name the codec (RFC 3533 §4). A picture in any stream makes it a video.
 */
export const oggMime = async (source: ByteSource): Promise<string> => {
  let mimeType = 'application/ogg'
  let at = 0
  for (let stream = 0; stream < streamsMax; stream++) {
    const header = await source.read(at, 27)
    if (ascii(header, 0, 4) !== 'OggS' || ((header[5] ?? 0) & 2) === 0) break
    const segments = await source.read(at + 27, header[26] ?? 0)
    const payload = at + 27 + segments.length
    const codec = ascii(await source.read(payload, 8))
    if (videoCodecs.some((magic) => codec.startsWith(magic))) return 'video/ogg'
    if (audioCodecs.some((magic) => codec.startsWith(magic))) mimeType = 'audio/ogg'
    at = payload + segments.reduce((sum, length) => sum + length, 0)
  }
  return mimeType
}
