import type { Links, LinkVerdict } from './links.ts'
import { mediaUrl, type UrlOf } from './record.ts'

export const mediaAccesses = ['public', 'signed', 'private'] as const

/**
 * Who may read the bytes of a media file (MEDIA_ACCESS). `public`: whoever knows its URL. `signed`:
 * whoever has a URL with a signature, which ends. `private`: who sends the token of its owner, of
 * staff or of an admin, or has a link with a signature.
 */
export type MediaAccessMode = (typeof mediaAccesses)[number]

/** How media URLs are given out, and what those that come back are worth. */
export interface MediaAccess {
  mode: MediaAccessMode
  /** `f` of a record: where its bytes are, for whoever may read the record. */
  urlOf: UrlOf
  /** What the query of a media URL proves; nothing in public mode, where nothing has to be. */
  verify(key: string, query: URLSearchParams): LinkVerdict
  /**
   * The query of a link that anybody may use until it ends, and when it does, in seconds since 1970.
   * Null in public mode.
   *
   * @param forMs default: MEDIA_LINK_EXPIRES
   */
  share(key: string, forMs?: number | undefined): { query: string; expiresAt: number } | null
}

export interface MediaAccessDeps {
  mode: MediaAccessMode
  /** Null in public mode. */
  links: Links | null
  /** Milliseconds for which a signed URL is good at the most. */
  linkExpiresMs: number
  now: () => Date
}

/**
 * The ends of signed URLs lie on a grid of this many steps to a lifetime, so that a file keeps its
 * URL for a while and caches can know it again. A URL is good for three quarters of
 * MEDIA_LINK_EXPIRES at least.
 */
const STEPS = 4

export function createMediaAccess(deps: MediaAccessDeps): MediaAccess {
  const { mode, links, linkExpiresMs, now } = deps

  /** The last point of the grid that is not later than a lifetime from now. */
  function endOfUrl(): number {
    const step = Math.max(1, Math.floor(linkExpiresMs / 1000 / STEPS))
    return Math.floor((now().getTime() + linkExpiresMs) / 1000 / step) * step
  }

  return {
    mode,
    urlOf(file, origin) {
      const url = mediaUrl(file, origin)
      return mode === 'signed' && links ? `${url}?${links.sign(file.key, endOfUrl())}` : url
    },
    verify: (key, query) => links?.verify(key, query, now().getTime()) ?? { kind: 'none' },
    share(key, forMs = linkExpiresMs) {
      if (links === null) return null
      const expiresAt = Math.ceil((now().getTime() + forMs) / 1000)
      return { query: links.sign(key, expiresAt), expiresAt }
    },
  }
}
