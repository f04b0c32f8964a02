import { type ByteSource, viewOf } from './bytes.ts'
import { type ImageHeader, type ImageMode, unknownHeader } from './image-mode.ts'

/** Segments before the frame header that are walked over: 5 MB of ICC profile are 80. */
const segmentsMax = 2_000

/** Pillow goes by the number of components; YCbCr is not kept, YCCK is CMYK. */
const modes: Record<number, ImageMode> = { 1: 'L', 3: 'RGB', 4: 'CMYK' }

/** Start of frame, of any coding process (ITU-T T.81 table B.1); C4, C8 and CC mean other things. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc

/** Markers that stand alone, without a length. */
const isBare = (marker: number): boolean =>
  marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8) || marker === 0xff

/** Walks from segment to segment until the frame header; the compressed data are not read. */
export const readJpeg = async (source: ByteSource): Promise<ImageHeader> => {
  let at = 2
  for (let count = 0; count < segmentsMax; count++) {
    const segment = await source.read(at, 10)
    const marker = segment[1] ?? 0
    if (segment.length < 4 || segment[0] !== 0xff) return unknownHeader
    if (isBare(marker)) {
      // A second FF is padding: the marker follows it.
      at += marker === 0xff ? 1 : 2
      continue
    }
    const view = viewOf(segment)
    if (isFrame(marker)) {
      if (segment.length < 10) return unknownHeader
      return {
        width: view.getUint16(7),
        height: view.getUint16(5),
        mode: modes[segment[9] ?? 0] ?? null,
      }
    }
    // Start of scan or end of image: there is no frame header.
    if (marker === 0xda || marker === 0xd9) return unknownHeader
    at += 2 + view.getUint16(2)
  }
  return unknownHeader
}
