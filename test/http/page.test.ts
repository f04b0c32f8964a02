import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let script: string

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(server.url + path, { method, headers })

const policyOf = (answer: Response) => answer.headers.get('content-security-policy') ?? ''

describe('the page at /', () => {
  beforeAll(async () => {
    server = await startServer()
    script = /src="([^"]+)"/.exec(await (await get('/')).text())?.[1] ?? ''
  })
  afterAll(() => server.close())

  it('is HTML that runs nothing but its own files, and is framed by nobody', async () => {
    const answer = await get('/')
    const html = await answer.text()
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    const policy = policyOf(answer)
    expect(policy).not.toMatch(/unsafe|\*|https?:/)
    for (const directive of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
    ])
      expect(policy.split('; ')).toContain(directive)
    expect(html).not.toMatch(
      /<script(?![^>]* src="\/assets\/)|<style|\sstyle=|\son\w+=|https?:\/\/(?!www\.w3)/,
    )
  })

  it('is asked about at each visit, and not sent again when it is the same', async () => {
    const first = await get('/')
    expect(first.headers.get('cache-control')).toBe('no-cache')
    const etag = first.headers.get('etag') ?? ''
    const again = await get('/', { 'If-None-Match': etag })
    expect(again.status).toBe(304)
    expect(await again.text()).toBe('')
    expect(policyOf(again)).toBe(policyOf(first))
  })

  it('names its files by what is in them, to be kept for ever', async () => {
    expect(script).toMatch(/^\/assets\/app-[A-Z0-9]{8}\.js$/)
    const answer = await get(script)
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(answer.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    const plain = await get(script, { 'Accept-Encoding': 'identity' })
    expect(plain.headers.get('content-encoding')).toBeNull()
    expect(await plain.text()).toBe(await answer.text())
  })

  it('stays small: no more than 150 KB of script and style', async () => {
    const style = /href="(\/assets\/[^"]+)"/.exec(await (await get('/')).text())?.[1] ?? ''
    const sizes = await Promise.all(
      [script, style].map(async (path) => (await (await get(path)).arrayBuffer()).byteLength),
    )
    expect(Math.min(...sizes)).toBeGreaterThan(1_000)
    expect(sizes[0]! + sizes[1]!).toBeLessThan(150_000)
  })

  it('answers HEAD, refuses other methods, and knows no other file', async () => {
    const head = await get('/', {}, 'HEAD')
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect((await get('/', {}, 'POST')).status).toBe(405)
    for (const path of [
      '/assets/app-00000000.js',
      '/assets/..%2findex.html',
      '/assets/',
      '/index.html',
    ])
      expect((await get(path)).status, path).toBe(404)
  })

  it('may show media from where PUBLIC_URL and MEDIA_URL say that they are', async () => {
    const other = await startServer({
      env: {
        PUBLIC_URL: 'https://files.example.org',
        SERVE_WITH: 'redirect',
        MEDIA_URL: 'https://cdn.example.org/media',
      },
    })
    try {
      const policy = policyOf(await fetch(other.url))
      const origins = 'https://files.example.org https://cdn.example.org'
      for (const directive of ['img-src', 'media-src', 'connect-src'])
        expect(policy).toContain(`${directive} 'self' ${origins}`)
      expect(policy).toContain("script-src 'self';")
    } finally {
      await other.close()
    }
  })
})
