/** Names that Pillow gives to the ways of storing a pixel. */
export type ImageMode =
  | '1'
  | 'L'
  | 'LA'
  | 'I;16'
  | 'I'
  | 'F'
  | 'P'
  | 'PA'
  | 'RGB'
  | 'RGBA'
  | 'CMYK'
  | 'LAB'
  | 'YCbCr'

/** What an image's header says; null for what it does not say. */
export interface ImageHeader {
  width: number | null
  height: number | null
  mode: ImageMode | null
}

export const unknownHeader: ImageHeader = { width: null, height: null, mode: null }
