import { createHmac, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { createMediaAccess } from '../../../src/media/access.ts'
import { createLinks } from '../../../src/media/links.ts'
import { root } from '../../support/source.ts'

const secret = randomBytes(32)
const links = createLinks([secret])
const KEY = 'Qm9yaW5nIGtleSBvZiBhIGZpbGU'
const END = 1_800_000_000
const BEFORE = END * 1000 - 1

const good = () => new URLSearchParams(links.sign(KEY, END))
const verdict = (query: URLSearchParams, at = BEFORE, key = KEY) =>
  links.verify(key, query, at).kind

describe('a link', () => {
  it('is HMAC-SHA-256 over the key and the end, as docs/media-access.md has it', () => {
    const signature = createHmac('sha256', secret)
      .update(`landfall media link\n${KEY}\n${END}`)
      .digest('base64url')
    expect(links.sign(KEY, END)).toBe(`expires=${END}&signature=${signature}`)
  })

  it('can be made by a program that has the code of docs/media-access.md', async () => {
    const page = await readFile(path.join(root, 'docs/media-access.md'), 'utf8')
    const [, code = ''] = /^```js\n([\s\S]*?)^```$/m.exec(page) ?? []
    const module = `${code}\nexport { signed }`
    const { signed } = (await import(`data:text/javascript,${encodeURIComponent(module)}`)) as {
      signed(url: string, secret: string, seconds: number): string
    }
    const word = 'a-secret-of-thirty-two-bytes-or-more'
    const url = new URL(signed(`https://files.example/media/${KEY}/a.txt`, word, 60))
    const now = Date.now()
    const { verify } = createLinks([Buffer.from(word)])
    expect(verify(KEY, url.searchParams, now)).toMatchObject({ kind: 'good' })
    expect(verify(KEY, url.searchParams, now + 61_000)).toEqual({ kind: 'ended' })
  })

  it('is good until its end, and has ended from then on', () => {
    expect(links.verify(KEY, good(), BEFORE)).toEqual({ kind: 'good', expiresAt: END })
    expect(verdict(good(), END * 1000)).toBe('ended')
  })

  it('is good with other parameters beside it, in any order', () => {
    const query = good()
    const turned = `download=1&signature=${query.get('signature')}&x=y&expires=${END}`
    expect(verdict(new URLSearchParams(turned))).toBe('good')
  })

  it('is worth nothing for another file', () => {
    expect(verdict(good(), BEFORE, 'another')).toBe('none')
    expect(verdict(new URLSearchParams(links.sign(`${KEY}\n1`, END)))).toBe('none')
  })

  it.each([
    ['a later end', (q: URLSearchParams) => q.set('expires', String(END + 1))],
    ['an end before its own', (q: URLSearchParams) => q.set('expires', String(END - 1))],
    ['a zero before its end', (q: URLSearchParams) => q.set('expires', `0${END}`)],
    ['its end in other words', (q: URLSearchParams) => q.set('expires', `${END}.0`)],
    ['no end', (q: URLSearchParams) => q.delete('expires')],
    ['no signature', (q: URLSearchParams) => q.delete('signature')],
    ['an empty signature', (q: URLSearchParams) => q.set('signature', '')],
    ['a long signature', (q: URLSearchParams) => q.set('signature', 'x'.repeat(9000))],
    ['padding', (q: URLSearchParams) => q.set('signature', `${q.get('signature')}=`)],
    ['half a signature', (q: URLSearchParams) => q.set('signature', 'x'.repeat(20))],
    ['letters beyond ASCII', (q: URLSearchParams) => q.set('signature', 'ä'.repeat(43))],
  ])('with %s is none, before its end and after it', (_, change) => {
    const query = good()
    change(query)
    expect(verdict(query)).toBe('none')
    expect(verdict(query, (END + 9) * 1000)).toBe('none')
  })

  it('is none when any letter of its signature is another one', () => {
    const signature = good().get('signature') ?? ''
    for (let at = 0; at < signature.length; at++) {
      const letter = signature[at] === 'A' ? 'B' : 'A'
      const query = good()
      query.set('signature', signature.slice(0, at) + letter + signature.slice(at + 1))
      expect([at, verdict(query)]).toEqual([at, 'none'])
    }
  })

  it('stays good while the secret that signed it follows the new one, and no longer', () => {
    const changed = createLinks([randomBytes(32), secret])
    expect(changed.verify(KEY, good(), BEFORE).kind).toBe('good')
    expect(changed.sign(KEY, END)).not.toBe(links.sign(KEY, END))
    expect(createLinks([randomBytes(32)]).verify(KEY, good(), BEFORE).kind).toBe('none')
  })
})

describe('a signed URL', () => {
  const HOUR = 3_600_000
  const file = { key: KEY, name: 'a.txt' }
  const endAt = (nowMs: number, linkExpiresMs: number) => {
    const access = createMediaAccess({
      ...{ mode: 'signed', links, linkExpiresMs },
      now: () => new Date(nowMs),
    })
    return Number(new URL(access.urlOf(file, 'http://x')).searchParams.get('expires')) * 1000
  }

  it.each([HOUR, 1000, 1500, 7000, 90_000, 365 * 86_400_000])(
    'of %i ms ends after that at the latest, and is good for most of it',
    (lifetime) => {
      const begin = 1_790_000_000_000
      const ends = new Set<number>()
      for (let step = 0; step < 400; step++) {
        const now = begin + Math.round((step * lifetime) / 100) + (step % 7)
        const left = endAt(now, lifetime) - now
        expect(left).toBeLessThanOrEqual(lifetime)
        // Ends are whole seconds: the shortest lifetimes lose up to one.
        expect(left).toBeGreaterThan(lifetime >= 7000 ? lifetime * 0.7 : lifetime - 1000)
        ends.add(now + left)
      }
      // Four lifetimes went by: the URL was the same most of the time.
      expect(ends.size).toBeLessThanOrEqual(lifetime >= 7000 ? 29 : 8)
    },
  )
})
