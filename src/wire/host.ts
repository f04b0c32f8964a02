import { isIPv6 } from 'node:net'

/** What decides the scheme and host of the absolute URLs in an answer. */
export interface OriginSource {
  /** Scheme and host as configured; wins over everything when set. */
  publicUrl?: string | undefined
  /** Whether Forwarded and X-Forwarded-* come from a proxy of ours. */
  trustProxy: boolean
  /** A header of the request, by its name in lower case. */
  header: (name: string) => string | undefined
  /** Host and port to use when the request names none that is usable, such as `127.0.0.1:8080`. */
  fallbackHost: string
  /** Whether the request came over TLS. */
  encrypted: boolean
}

/**
 * Scheme and host for absolute URLs, without a slash at the end: `https://files.example`. From the
 * configuration; else, behind a trusted proxy, from the first element of Forwarded (RFC 7239) or
 * X-Forwarded-Proto and -Host, which is the one nearest to the client; else from Host. A value
 * that is not a scheme or a host is passed over, so that nothing else gets into a URL.
 */
export function originOf(source: OriginSource): string {
  if (source.publicUrl !== undefined) return source.publicUrl.replace(/\/$/, '')
  const claimed = source.trustProxy ? proxyClaim(source.header) : {}
  const scheme = claimed.scheme ?? (source.encrypted ? 'https' : 'http')
  const host = claimed.host ?? parseHost(source.header('host')) ?? source.fallbackHost
  return `${scheme}://${host}`
}

/**
 * `uri-host [ ":" port ]` (RFC 9110 §7.2) for the names that exist in practice: letters, digits,
 * `.`, `-` and `_`, an IPv4 or a bracketed IPv6 address. RFC 3986 would also let quotes, semicolons
 * and percent signs into a name, which no resolver knows and no page should print. Null for
 * anything else, and for what is nearly an address (`.0`, `256.1.1.1`): a name that ends in a number
 * is one to every URL parser (WHATWG URL, "ends in a number"), or no host at all.
 */
export function parseHost(text: string | undefined): string | null {
  if (text === undefined || text.length > 300) return null
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?$/.exec(text)
  if (match === null) return null
  const [, address, port] = match
  if (address !== undefined && !isIPv6(address)) return null
  if (Number(port ?? 0) > 65_535) return null
  const host = port === '' ? text.slice(0, -1) : text
  return URL.canParse(`http://${host}`) ? host : null
}

interface ProxyClaim {
  scheme?: 'http' | 'https' | undefined
  host?: string | undefined
}

function proxyClaim(header: OriginSource['header']): ProxyClaim {
  const forwarded = firstForwarded(header('forwarded') ?? '')
  return {
    scheme:
      parseScheme(forwarded.get('proto')) ?? parseScheme(firstOf(header('x-forwarded-proto'))),
    host:
      parseHost(forwarded.get('host')) ??
      parseHost(firstOf(header('x-forwarded-host'))) ??
      undefined,
  }
}

function parseScheme(text: string | undefined): 'http' | 'https' | undefined {
  const scheme = text?.toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

/** The first element of a list such as `https,http`: each proxy appends what it saw. */
function firstOf(list: string | undefined): string | undefined {
  return list
    ?.split(',')
    .map((element) => element.trim())
    .find((element) => element !== '')
}

/** The parameters of the first forwarded-element (RFC 7239 §4), names in lower case. */
function firstForwarded(text: string): Map<string, string> {
  const parameters = new Map<string, string>()
  const pair = /[\t ;]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\t ",;]*))[\t ]*/y
  // Sticky, and a comma is no part of it: the loop ends with the first element.
  for (let match = pair.exec(text); match !== null; match = pair.exec(text)) {
    const [, name = '', quoted, token = ''] = match
    parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token)
  }
  return parameters
}
