import { createHmac, timingSafeEqual } from 'node:crypto'

/** What the query of a media URL proves. Times are seconds since 1970. */
export type LinkVerdict =
  /** There is no signature, or none of ours for this file and this end. */
  { kind: 'none' } | { kind: 'ended' } | { kind: 'good'; expiresAt: number }

/** Makes and checks the queries that open one media file until a certain time. */
export interface Links {
  /** `expires=…&signature=…` */
  sign(key: string, expiresAt: number): string
  verify(key: string, query: URLSearchParams, nowMs: number): LinkVerdict
}

/** No leading zero and no sign: a link has one spelling. Up to the year 33658. */
const SECONDS = /^[1-9][0-9]{0,11}$/

/**
 * HMAC-SHA-256 over the key of a file and the end of the link. Not over the name in the URL, which
 * is not looked at, nor over `download`, which gives away nothing.
 *
 * @param secrets the first one signs; a link of any of them is good.
 */
export function createLinks(secrets: readonly [Buffer, ...Buffer[]]): Links {
  const signature = (secret: Buffer, key: string, expires: string) =>
    // What the secret signs here can be taken for nothing else that it may ever sign.
    createHmac('sha256', secret)
      .update(`landfall media link\n${key}\n${expires}`)
      .digest('base64url')

  return {
    sign(key, expiresAt) {
      return `expires=${expiresAt}&signature=${signature(secrets[0], key, String(expiresAt))}`
    },
    verify(key, query, nowMs) {
      const expires = query.get('expires') ?? ''
      const given = Buffer.from(query.get('signature') ?? '')
      if (!SECONDS.test(expires)) return { kind: 'none' }
      const isOurs = secrets.some((secret) => {
        const expected = Buffer.from(signature(secret, key, expires))
        return given.length === expected.length && timingSafeEqual(given, expected)
      })
      if (!isOurs) return { kind: 'none' }
      const expiresAt = Number(expires)
      return nowMs < expiresAt * 1000 ? { kind: 'good', expiresAt } : { kind: 'ended' }
    },
  }
}
