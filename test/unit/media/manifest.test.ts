import { describe, expect, it } from 'vitest'
import {
  encodeManifest,
  type Manifest,
  manifestKey,
  parseManifest,
} from '../../../src/media/manifest.ts'

const id = '00000000-0000-4000-8000-000000000001'

const manifest: Manifest = {
  media: {
    id: 7,
    key: 'abcdefghijklmnopqrstuv',
    type: 'image',
    mimeType: 'image/png',
    name: 'Ü “1”\n.png',
    description: '',
    size: 2 ** 40,
    width: 3,
    height: null,
    mode: 'RGB',
    digest: null,
    createdAt: '2026-01-02T03:04:05.678900Z',
    updatedAt: '2026-01-02T03:04:05Z',
  },
  upload: {
    id,
    door: 'tus',
    storageKey: `00/${id}.part`,
    finalKey: `00/${id}.done`,
    filename: '',
    title: null,
    declaredType: 'image/png',
    description: '',
    metadata: 'filename YQ==',
    purpose: 'session',
    expectedDigest: null,
    digestAlgorithms: 'sha256',
    recipe: null,
    sessionToken: 'x'.repeat(32),
    createdAt: '2026-01-02T03:04:05Z',
    updatedAt: '2026-01-02T03:04:05Z',
  },
  owner: { id: 3, username: 'anna', firstName: 'Anna', lastName: '' },
}
const key = manifestKey(`00/${id}.done`)

/** The manifest as JSON with one field changed. */
function changed(part: 'media' | 'upload' | 'owner', field: string, value: unknown) {
  const content = JSON.parse(Buffer.from(encodeManifest(manifest)).toString())
  content[part][field] = value
  return parseManifest(Buffer.from(JSON.stringify(content)), key)
}

describe('a manifest', () => {
  it('reads back as it was written', () => {
    expect(parseManifest(encodeManifest(manifest), key)).toEqual(manifest)
    const anonymous = { ...manifest, owner: null }
    expect(parseManifest(encodeManifest(anonymous), key)).toEqual(anonymous)
  })

  it('is the same whether its times came from the clock or from the database', () => {
    const createdAt = '2026-01-02 03:04:05.6789+00'
    const stored = { ...manifest, media: { ...manifest.media, createdAt } }
    expect(encodeManifest(stored)).toEqual(encodeManifest(manifest))
  })

  it('holds nothing of a row but what it names', () => {
    const owner = { ...manifest.owner, role: 'admin', usedBytes: 5 } as never
    expect(encodeManifest({ ...manifest, owner })).toEqual(encodeManifest(manifest))
  })

  it('is read past what a later version added', () => {
    expect(changed('media', 'new_field', 1)).toEqual(manifest)
  })

  it('is none where it is cut off at any place', () => {
    const bytes = encodeManifest(manifest)
    for (let end = 0; end < bytes.byteLength - 2; end += 7)
      expect(parseManifest(bytes.subarray(0, end), key)).toBeNull()
  })

  it.each([
    ['media', 'id', 0],
    ['media', 'id', '7'],
    ['media', 'key', 'short'],
    ['media', 'key', '../../../etc/passwd'],
    ['media', 'size', -1],
    ['media', 'size', 1.5],
    ['media', 'size', 2 ** 60],
    ['media', 'name', null],
    ['media', 'name', 'a\0b'],
    ['media', 'type', ''],
    ['media', 'created_at', 'yesterday'],
    ['media', 'updated_at', '2026-02-30T00:00:00Z'],
    ['upload', 'id', 'no uuid'],
    ['upload', 'purpose', 'part'],
    ['upload', 'final_key', `00/${id}.other`],
    ['upload', 'final_key', null],
    ['owner', 'id', 2 ** 31],
    ['owner', 'username', ''],
  ] as const)('is none where %s.%s is %j', (part, field, value) => {
    expect(changed(part, field, value)).toBeNull()
  })

  it.each(['', 'null', '[]', '{}', '{"landfall_manifest":2}', '{"landfall_manifest":1}'])(
    'is not %j',
    (text) => {
      expect(parseManifest(Buffer.from(text), key)).toBeNull()
    },
  )
})
