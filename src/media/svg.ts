import { type ByteSource, headBytes } from './bytes.ts'
import { localName, type Markup, readMarkup } from './markup.ts'
import { decodeHead } from './text.ts'

const svgNamespace = 'http://www.w3.org/2000/svg'

/** Largest side that is believed; a column of 32 bits holds it. */
const sideMax = 2 ** 31 - 1

/** Whether a document is an SVG: its root says so, or its DOCTYPE where the root is out of sight. */
export const isSvg = (markup: Markup): boolean => {
  const { root, doctype } = markup
  if (!root) return doctype === 'svg'
  if (localName(root.name) !== 'svg') return false
  const colon = root.name.indexOf(':')
  const namespace = root.attributes.get(colon < 0 ? 'xmlns' : `xmlns:${root.name.slice(0, colon)}`)
  // A reference (`&ns_svg;`, written by Illustrator) is not expanded, so it is not judged either.
  return namespace === undefined || namespace === svgNamespace || namespace.startsWith('&')
}

/** CSS pixels in one unit, at 96 to the inch (CSS Values 4 §6.2). */
const pixelsPerUnit: Record<string, number> = {
  '': 1,
  px: 1,
  in: 96,
  cm: 96 / 2.54,
  mm: 96 / 25.4,
  q: 96 / 101.6,
  pt: 96 / 72,
  pc: 16,
}

const number = '[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[+-]?\\d{1,3})?'
const lengthPattern = new RegExp(`^\\s*(${number})\\s*([a-z]{0,2})\\s*$`, 'i')
const boxPattern = new RegExp(`^\\s*${`${number}[\\s,]+`.repeat(2)}(${number})[\\s,]+(${number})`)

/** An attribute as pixels; null where it is absent, relative (`50%`, `2em`) or not positive. */
const toPixels = (text: string | undefined): number | null => {
  const found = text && text.length <= 64 ? lengthPattern.exec(text) : null
  const factor = pixelsPerUnit[found?.[2]?.toLowerCase() ?? '']
  const pixels = found && factor ? Number(found[1]) * factor : 0
  return pixels > 0 && pixels <= sideMax ? pixels : null
}

const whole = (pixels: number | null): number | null =>
  pixels === null || pixels > sideMax ? null : Math.max(1, Math.round(pixels))

/**
 * Width and height of an SVG in CSS pixels: its attributes, or its viewBox where those do not say.
 * One attribute with a viewBox gives the other side by proportion.
 */
export const svgSize = (
  attributes: Map<string, string>,
): { width: number | null; height: number | null } => {
  const width = toPixels(attributes.get('width'))
  const height = toPixels(attributes.get('height'))
  const viewBox = attributes.get('viewBox')
  const box = viewBox && viewBox.length <= 256 ? boxPattern.exec(viewBox) : null
  const boxWidth = toPixels(box?.[1])
  const boxHeight = toPixels(box?.[2])
  if (!boxWidth || !boxHeight) return { width: whole(width), height: whole(height) }
  if (width && height) return { width: whole(width), height: whole(height) }
  if (width) return { width: whole(width), height: whole((width * boxHeight) / boxWidth) }
  if (height) return { width: whole((height * boxWidth) / boxHeight), height: whole(height) }
  return { width: whole(boxWidth), height: whole(boxHeight) }
}

/** Reads the size from the first bytes as text; an SVG is never rendered. */
export const readSvgSize = async (
  source: ByteSource,
): Promise<{ width: number | null; height: number | null }> => {
  const head = await source.read(0, headBytes)
  const text = decodeHead(head, source.size > head.length)?.text
  const root = text ? readMarkup(text)?.root : null
  return root ? svgSize(root.attributes) : { width: null, height: null }
}
