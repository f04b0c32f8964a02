import { describe, expect, it } from 'vitest'
import { mediaUrl, toRecord } from '../../../src/media/record.ts'
import type { MediaRow } from '../../../src/media/repo.ts'

const row: MediaRow = {
  id: 7,
  uploadId: '00000000-0000-4000-8000-000000000007',
  key: 'k3y',
  storageKey: '00/7',
  userId: 3,
  type: 'pdf',
  mimeType: 'application/pdf',
  name: 'a b.pdf',
  description: 'about',
  size: 2_621_440,
  width: null,
  height: null,
  mode: null,
  digest: null,
  createdAt: '2026-03-04 05:06:07.123456+00',
  updatedAt: '2026-03-04 05:06:08+00',
  user: { id: 3, username: 'ada', firstName: 'Ada', lastName: 'Lovelace' },
}

const record = (changes: Partial<MediaRow> = {}) =>
  toRecord({ ...row, ...changes }, 'https://files.example', mediaUrl)

describe('toRecord', () => {
  it('has the fields of the documentation in their order, and no image data', () => {
    expect(JSON.stringify(record())).toBe(
      JSON.stringify({
        id: 7,
        type: 'pdf',
        user: { id: 3, username: 'ada', full_name: 'Ada Lovelace' },
        f: 'https://files.example/media/k3y/a%20b.pdf',
        name: 'a b.pdf',
        description: 'about',
        size: 2_621_440,
        human_readable_size: '2.5 MB',
        mime_type: 'application/pdf',
        digest: null,
        created_at: '2026-03-04T05:06:07.123456Z',
        updated_at: '2026-03-04T05:06:08Z',
      }),
    )
  })

  it('has image data for images, null where it is not known', () => {
    const image = { ...record({ type: 'image', width: 3, height: 2, mode: 'RGB' }) }
    expect(Object.keys(image).slice(7, 12)).toEqual([
      'human_readable_size',
      'width',
      'height',
      'mode',
      'mime_type',
    ])
    expect(image).toMatchObject({ width: 3, height: 2, mode: 'RGB' })
    expect(record({ type: 'image' })).toMatchObject({ width: null, height: null, mode: null })
    expect(record({ type: 'video', width: 3 })).not.toHaveProperty('width')
  })

  it('has no user for an anonymous upload', () => {
    expect(record({ user: null, userId: null }).user).toBeNull()
  })

  it.each([
    ['', 'file'],
    ['.', 'file'],
    ['..', 'file'],
    ['../../etc/passwd', '..%2F..%2Fetc%2Fpasswd'],
    ['a?b#c%d\\', 'a%3Fb%23c%25d%5C'],
    ['a\r\nb\0', 'a%0D%0Ab%00'],
    ['naïve 😀', 'na%C3%AFve%20%F0%9F%98%80'],
    ['\ud800', '%EF%BF%BD'],
    [`${'x'.repeat(5000)}.pdf`, `${'x'.repeat(251)}.pdf`],
  ])('makes a URL that leads to the file from the name %j', (name, segment) => {
    const { f } = record({ name })
    expect(f).toBe(`https://files.example/media/k3y/${segment}`)
    expect(new URL(f).pathname).toBe(`/media/k3y/${segment}`)
  })
})
