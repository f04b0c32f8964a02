import { readFile } from 'node:fs/promises'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { MediaRecord } from '../../src/media/record.ts'
import { expectSound, filesOf, leakIn } from '../support/bad-input.ts'
import { CHUNKED, chunk, chunkedClient, digest } from '../support/chunked.ts'
import { buildInterlacedPng, buildPng, pngProfile } from '../support/images.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'
import { encode, tusClient } from '../support/tus.ts'
import { buildZip } from '../support/zip.ts'

/** The bound of a job is 20 s; nothing here may come near it, on a loaded machine either. */
const SOON_MS = 10_000

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
afterEach(() => expectSound(server))

/** Uploads it through tus in one request. */
async function send(filename: string, bytes: Uint8Array): Promise<Response> {
  const began = performance.now()
  const answer = await tusClient(server.url, server.admin).create(
    {
      'Upload-Length': String(bytes.byteLength),
      'Content-Type': 'application/offset+octet-stream',
      'Upload-Metadata': encode({ filename }),
    },
    bytes as Uint8Array<ArrayBuffer>,
  )
  expect(performance.now() - began).toBeLessThan(SOON_MS)
  return answer
}

/** The record, its bytes as they are served, and the answer for its thumbnail. */
async function taken(filename: string, bytes: Uint8Array) {
  const answer = await send(filename, bytes)
  expect(answer.status).toBe(201)
  const id = answer.headers.get('landfall-media-file')
  const headers = { Authorization: server.admin }
  const one = await fetch(`${server.url}/api/media/files/${id}`, { headers })
  const record = (await one.json()) as MediaRecord
  const served = await fetch(record.f)
  expect(Buffer.from(await served.arrayBuffer()).equals(bytes)).toBe(true)
  const began = performance.now()
  const to = `${server.url}/api/media/files/${id}/thumbnail?width=64`
  const thumbnail = await fetch(to, { headers })
  expect(performance.now() - began).toBeLessThan(SOON_MS)
  const shown = Buffer.from(await thumbnail.arrayBuffer())
  if (!thumbnail.ok) expect(leakIn(shown.toString())).toBeNull()
  return { record, served: served.headers, thumbnail: thumbnail.status, shown }
}

/** What keeps a browser from running a file, whatever it is. */
function isSafe(headers: Headers, type: string, kind: 'inline' | 'attachment'): void {
  expect(headers.get('content-type')).toBe(type)
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox")
  expect(headers.get('content-disposition')).toMatch(new RegExp(`^${kind}; `))
}

const solid = () => sharp({ create: { width: 20, height: 10, channels: 3, background: 'red' } })

describe('an image of 400 megapixels in 218 KB', () => {
  const bomb = buildPng(20_000, 20_000, 1, 0)

  it('is refused at every door, and nothing of it stays', async () => {
    expect(bomb.length).toBeLessThan(223_000)
    const before = await filesOf(server)
    expect((await send('bomb.png', bomb)).status).toBe(413)
    const form = new FormData()
    form.append('f', new Blob([bomb as Uint8Array<ArrayBuffer>]), 'bomb.png')
    const headers = { Authorization: server.admin }
    const posted = await fetch(`${server.url}/api/media/files`, {
      method: 'POST',
      headers,
      body: form,
    })
    expect(posted.status).toBe(413)
    const chunked = await chunkedClient(server.url, server.admin).post('', {
      file: chunk(bomb, 'bomb.png'),
      md5: digest(bomb),
    })
    expect(chunked.status).toBe(400)
    const told = await resumableClient(server.url, server.admin).ask('POST', '/files/', {
      body: bomb,
      headers: { 'Upload-Complete': '?1', 'Content-Type': 'image/png' },
    })
    expect(told.status).toBe(413)
    const sessions = sessionClient(server.url, server.admin)
    const added = await sessions.add(await sessions.open(), 'bomb.png', bomb)
    expect([added.status, added.body.accepted]).toEqual([400, false])
    for (const text of [await posted.text(), await chunked.text(), told.body])
      expect(leakIn(text)).toBeNull()
    expect(await filesOf(server)).toEqual(before)
    expect(await (await fetch(`${server.url}${CHUNKED}/`, { headers })).json()).toEqual([])
  })
})

describe('an image that is broken', () => {
  it('at its end is stored with what its header says', async () => {
    const jpeg = await solid().jpeg().toBuffer()
    const { record, served, thumbnail } = await taken('cut.jpg', jpeg.subarray(0, jpeg.length - 10))
    expect(record).toMatchObject({ type: 'image', width: 20, height: 10, mode: 'RGB' })
    isSafe(served, 'image/jpeg', 'inline')
    expect([200, 404]).toContain(thumbnail)
  })

  it('with a header that lies of its size is stored, and costs what is there', async () => {
    const png = Buffer.from(buildPng(4_000, 4_000, 8, 2).subarray(0, 60))
    const { record, thumbnail } = await taken('lies.png', png)
    expect(record).toMatchObject({ type: 'image', width: 4_000, height: 4_000 })
    expect([200, 404]).toContain(thumbnail)
  })

  it('with 36 MB of zeros in its data is stored, its memory bounded', async () => {
    const big = buildInterlacedPng(6_000)
    const { record, thumbnail } = await taken('interlaced.png', big)
    expect(record).toMatchObject({ width: 6_000, height: 6_000 })
    expect([200, 404]).toContain(thumbnail)
  })

  it('in a profile of 5 MB is stored, and drawn small', async () => {
    const png = buildPng(40, 30, 8, 2, [pngProfile(Buffer.alloc(5_000_000, 'profile'))])
    const { record, thumbnail, shown } = await taken('profile.png', png)
    expect(record).toMatchObject({ width: 40, height: 30, mode: 'RGB' })
    expect([200, 404]).toContain(thumbnail)
    expect(shown.byteLength).toBeLessThan(10_000)
  })

  it('with a text that unpacks to 50 MB is stored at once', async () => {
    const text = deflateSync(Buffer.alloc(50_000_000))
    const size = Buffer.alloc(4)
    size.writeUInt32BE(text.length + 6)
    const zTXt = Buffer.concat([size, Buffer.from('zTXta\0\0bc', 'latin1'), text, Buffer.alloc(4)])
    const { record } = await taken('text.png', buildPng(4, 4, 8, 2, [zTXt]))
    expect(record).toMatchObject({ type: 'image', width: 4, height: 4 })
  })

  it('as 10,000 frames is one image, and its thumbnail the first of them', async () => {
    const gif = await solid().gif().toBuffer()
    // From the image descriptor to the byte before the trailer.
    const start = gif.indexOf(Buffer.from([0x2c, 0, 0, 0, 0]))
    const frame = gif.subarray(start, gif.length - 1)
    const frames = Array.from({ length: 10_000 }, () => frame)
    const bytes = Buffer.concat([gif.subarray(0, start), ...frames, Buffer.from(';')])
    const { record, served, thumbnail } = await taken('frames.gif', bytes)
    expect(record).toMatchObject({ type: 'image', width: 20, height: 10, mode: 'P' })
    isSafe(served, 'image/gif', 'inline')
    expect(thumbnail).toBe(200)
  })

  it('as HEIC without a codec is stored with its size, and has no thumbnail', async () => {
    const heic = await readFile(new URL('../fixtures/fixture.heic', import.meta.url))
    const { record, served, thumbnail } = await taken('photo.heic', heic)
    expect(record).toMatchObject({ type: 'image', mime_type: 'image/heic', mode: 'RGBA' })
    isSafe(served, 'image/heic', 'attachment')
    expect(thumbnail).toBe(404)
  })
})

describe('a file that is two things', () => {
  it('GIF and script is served as a GIF that no browser runs', async () => {
    const both = Buffer.from('GIF89a/*\x01\x02*/=1;alert(document.domain)', 'latin1')
    for (const name of ['a.js', 'a.gif', 'a.html']) {
      const { record, served, thumbnail } = await taken(name, both)
      expect(record).toMatchObject({ type: 'image', mime_type: 'image/gif' })
      isSafe(served, 'image/gif', 'inline')
      expect(thumbnail).toBe(404)
    }
  })

  it('JPEG and ZIP is a JPEG, and its thumbnail holds nothing of the ZIP', async () => {
    const zip = buildZip([{ name: 'evil.html', content: '<script>alert(1)</script>' }])
    const both = Buffer.concat([await solid().jpeg().toBuffer(), zip])
    const { record, served, thumbnail, shown } = await taken('both.zip', both)
    expect(record).toMatchObject({ type: 'image', mime_type: 'image/jpeg' })
    isSafe(served, 'image/jpeg', 'inline')
    expect(thumbnail).toBe(200)
    expect(shown.includes('evil')).toBe(false)
  })

  it('HTML behind the first bytes of a PNG is no page', async () => {
    const bytes = Buffer.concat([
      Buffer.from('89504e470d0a1a0a', 'hex'),
      Buffer.from('<html><script>alert(1)</script>'),
    ])
    const { served } = await taken('page.html', bytes)
    expect(served.get('content-type')).not.toContain('html')
    expect(served.get('content-security-policy')).toBe("default-src 'none'; sandbox")
  })
})

describe('an SVG', () => {
  const svg = (inside: string, before = '') =>
    Buffer.from(
      `${before}<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20">${inside}</svg>`,
    )

  it.each([
    ['a script', svg('<script>alert(document.domain)</script>')],
    ['a handler', svg('<rect onload="alert(1)"/><foreignObject><iframe src="x"/></foreignObject>')],
    [
      'an entity bomb',
      svg(
        '&e60;',
        `<!DOCTYPE svg [<!ENTITY e0 "ha">${Array.from({ length: 60 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('')}]>`,
      ),
    ],
    [
      'a file of the server as an entity',
      svg('&x;', '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    ],
    ['an image of the server', svg('<image href="file:///etc/passwd" width="9" height="9"/>')],
    ['a hundred thousand levels', svg('<g>'.repeat(100_000))],
  ])('with %s is stored as it is, downloaded and never drawn', async (_, bytes) => {
    const { record, served, thumbnail } = await taken('drawing.svg', bytes)
    expect(record).toMatchObject({ type: 'image', mime_type: 'image/svg+xml', width: 30 })
    isSafe(served, 'image/svg+xml', 'attachment')
    expect(thumbnail).toBe(404)
  })
})
