import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { originOf, parseHost } from '../../../src/wire/host.ts'

const origin = (
  headers: Record<string, string>,
  { trustProxy = false, encrypted = false, publicUrl = undefined as string | undefined } = {},
) =>
  originOf({
    publicUrl,
    trustProxy,
    encrypted,
    header: (name) => headers[name],
    fallbackHost: '127.0.0.1:8080',
  })

describe('originOf', () => {
  it('takes the configured URL over everything', () => {
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example' }
    const publicUrl = 'https://files.example/'
    expect(origin(headers, { publicUrl, trustProxy: true })).toBe('https://files.example')
  })

  it('takes the host of the request and the scheme of the connection', () => {
    expect(origin({ host: 'a.example:8443' })).toBe('http://a.example:8443')
    expect(origin({ host: 'a.example' }, { encrypted: true })).toBe('https://a.example')
  })

  it('falls back to its own address when Host is missing or is no host', () => {
    expect(origin({})).toBe('http://127.0.0.1:8080')
    expect(origin({ host: 'a"><script>' })).toBe('http://127.0.0.1:8080')
    expect(origin({ host: 'a.example/path' })).toBe('http://127.0.0.1:8080')
  })

  it('does not believe forwarded headers without a trusted proxy', () => {
    const headers = {
      host: 'a.example',
      forwarded: 'host=b.example;proto=https',
      'x-forwarded-host': 'c.example',
      'x-forwarded-proto': 'https',
    }
    expect(origin(headers)).toBe('http://a.example')
  })

  it.each([
    [{ 'x-forwarded-proto': 'https,http' }, 'https://a.example'],
    [{ 'x-forwarded-proto': 'HTTPS' }, 'https://a.example'],
    [{ 'x-forwarded-proto': ' , https' }, 'https://a.example'],
    [{ 'x-forwarded-proto': 'javascript' }, 'http://a.example'],
    [{ 'x-forwarded-host': 'b.example, c.example' }, 'http://b.example'],
    [{ 'x-forwarded-host': 'b example' }, 'http://a.example'],
    [{ 'x-forwarded-host': '.0' }, 'http://a.example'],
    [{ forwarded: 'host=256.1.1.1' }, 'http://a.example'],
    [{ forwarded: 'for=1.2.3.4;proto=https;host=b.example:99' }, 'https://b.example:99'],
    [{ forwarded: 'For="[::1]:1";Host="[::1]:80" ; Proto=https, host=c' }, 'https://[::1]:80'],
    [{ forwarded: 'for="a,b;host=c";proto=https' }, 'https://a.example'],
    [{ forwarded: 'for=1.2.3.4, host=c.example;proto=https' }, 'http://a.example'],
    [{ forwarded: 'proto=https', 'x-forwarded-host': 'b.example' }, 'https://b.example'],
    [{ forwarded: 'proto=https;host=b', 'x-forwarded-proto': 'http' }, 'https://b'],
  ])('believes a trusted proxy: %j', (headers, expected) => {
    expect(origin({ host: 'a.example', ...headers }, { trustProxy: true })).toBe(expected)
  })

  it('is always a scheme and a host', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (host, forwarded, proto) => {
        const headers = { host, forwarded, 'x-forwarded-proto': proto }
        const { origin: same } = new URL(origin(headers, { trustProxy: true }))
        expect(same).toMatch(/^https?:\/\/[\w.:[\]-]+$/)
      }),
    )
  })
})

describe('parseHost', () => {
  it.each([
    'localhost',
    'a_b.example',
    'xn--zrich-kva.example',
    '127.0.0.1:80',
    '[::1]',
    '[2001:db8::1]:8080',
  ])('takes %s', (text) => {
    expect(parseHost(text)).toBe(text)
  })

  it('drops a colon without a port', () => {
    expect(parseHost('a.example:')).toBe('a.example')
  })

  it.each([
    ...['', ':80', 'a b', 'a/b', 'a?b', 'a#b', 'u@a', 'a\\b', 'a:b', 'a:65536', 'a:123456', '::1'],
    ...['[::g]', '[]', '[1.2.3.4]', "a'b", 'a,b', 'a;b', 'a%00', 'zürich', 'a'.repeat(301)],
    undefined,
  ])('refuses %j', (text) => {
    expect(parseHost(text)).toBeNull()
  })
})
