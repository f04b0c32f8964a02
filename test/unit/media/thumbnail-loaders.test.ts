import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFile } from '../../../src/media/bytes.ts'
import { renderThumbnail } from '../../../src/media/thumbnail.ts'

/*
 * What libvips would open if a file got as far as that. renderThumbnail looks at the first bytes
 * before; this is the wall behind that look, and it stands in the whole process.
 */

let folder: string
const PIXEL = { create: { width: 4, height: 3, channels: 3, background: 'red' } } as const
const SVG = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="3"/>')

const formats = ['jpeg', 'png', 'gif', 'webp', 'avif', 'tiff'] as const

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-loaders-'))
  for (const format of formats)
    await writeFile(at(format), await sharp(PIXEL).toFormat(format).toBuffer())
  await writeFile(at('svg'), SVG)
})
afterAll(() => rm(folder, { recursive: true }))

const at = (format: string) => path.join(folder, `a.${format}`)

async function thumbnail(format: string): Promise<Uint8Array | null> {
  const source = await openFile(at(format))
  return renderThumbnail(source, at(format), 2, 1_000).finally(() => source.close())
}

describe('the loaders of libvips', () => {
  it('would open an SVG before they are blocked', async () => {
    expect((await sharp(at('svg')).metadata()).format).toBe('svg')
  })

  it.each(formats)('are open for %s', async (format) => {
    const made = await thumbnail(format)
    expect(
      Buffer.from(made ?? [])
        .subarray(8, 12)
        .toString(),
    ).toBe('WEBP')
  })

  it('are shut for an SVG from the first thumbnail on', async () => {
    await thumbnail('png')
    await expect(sharp(at('svg')).metadata()).rejects.toThrow()
  })

  it('are shut for anything that does not come from a file', async () => {
    await thumbnail('png')
    await expect(sharp(SVG).metadata()).rejects.toThrow()
    const png = await sharp(PIXEL).png().toBuffer()
    await expect(sharp(png).metadata()).rejects.toThrow()
  })
})
