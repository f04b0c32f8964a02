import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseAccepted } from '../../../src/media/accept.ts'
import { fromBytes } from '../../../src/media/bytes.ts'
import { detect } from '../../../src/media/detect.ts'
import { kindOfMime } from '../../../src/media/file-types.ts'
import {
  refuseSessionContent,
  requireSessionExtension,
} from '../../../src/media/session-content.ts'

const folder = new URL('../../fixtures/', import.meta.url)
const textOf = (name: string, mimeType: string, accepted: string | null = null) =>
  refuseSessionContent(
    accepted === null ? null : parseAccepted(accepted),
    name,
    kindOfMime(mimeType),
  )?.message

describe('content and extension', () => {
  it.each(readdirSync(folder))('of %s belong together', async (name) => {
    const found = await detect(fromBytes(readFileSync(new URL(name, folder))), {
      name,
      declaredType: null,
    })
    expect(refuseSessionContent(null, name, found)).toBeNull()
  })

  it.each([
    ['notes.txt', 'text/html'],
    ['data.json', 'text/plain'],
    ['list.csv', 'text/csv'],
    ['sound.mp4', 'audio/mp4'],
    ['a.heif', 'image/heic'],
    ['a.unheard-of', 'application/x-msdownload'],
    ['A.JPEG', 'image/jpeg'],
  ])('%s may be %s', (name, mimeType) => expect(textOf(name, mimeType)).toBeUndefined())

  it.each([
    ['a.pdf', 'text/plain', 'application/pdf'],
    ['a.txt', 'application/pdf', 'text/plain'],
    ['a.svg', 'text/html', 'image/svg+xml'],
    ['a.docx', 'application/zip', /wordprocessingml\.document$/],
    ['a.mp3', 'image/png', 'audio/mpeg'],
  ])('%s is not %s', (name, mimeType, expected) => {
    const [, found] = /^File MIME type mismatch\. Expected "(.+?)" but got ".+?"\.$/.exec(
      textOf(name, mimeType) ?? '',
    ) ?? ['', '']
    if (typeof expected === 'string') expect(found).toBe(expected)
    else expect(found).toMatch(expected)
  })

  it('both count where only some formats are accepted', () => {
    expect(textOf('a.png', 'image/png', 'image')).toBeUndefined()
    expect(textOf('a.unheard-of', 'text/plain', 'image')).toBe(
      'Files of type "text/plain" are not allowed.',
    )
    expect(() => requireSessionExtension(parseAccepted('image'), 'a.exe')).toThrow(
      'Files with "exe" extension are not allowed.',
    )
    expect(() => requireSessionExtension(parseAccepted('image'), 'a.png')).not.toThrow()
    expect(() => requireSessionExtension(null, 'a.exe')).not.toThrow()
  })
})
