import { isIP, isIPv6 } from 'node:net'

/** What tells where a request came from. */
export interface AddressSource {
  /** Whether X-Forwarded-For and Forwarded come from a proxy of ours. */
  trustProxy: boolean
  /** A header of the request, by its name in lower case. */
  header: (name: string) => string | undefined
  /** The other end of the connection; undefined for a socket without one. */
  remote: string | undefined
}

/**
 * The network that a request came from, as something to count by: an IPv4 address, or the 64 bits
 * of an IPv6 address that one subscriber has at the least; `''` where nothing tells.
 *
 * Behind a trusted proxy it is the last entry of X-Forwarded-For, or where that header is missing of
 * Forwarded (RFC 7239): the one that the proxy itself has added. Those before it are whatever the
 * client liked to send, and so is a Forwarded that a proxy passes on beside its own X-Forwarded-For.
 */
export function clientNetwork({ trustProxy, header, remote }: AddressSource): string {
  const list = header('x-forwarded-for')
  const claimed = !trustProxy
    ? null
    : list === undefined
      ? parseAddress(forwardedFor(lastOf(header('forwarded'))))
      : parseAddress(lastOf(list))
  return networkOf(claimed ?? parseAddress(remote ?? '') ?? '')
}

function lastOf(list: string | undefined): string {
  return list?.slice(list.lastIndexOf(',') + 1).trim() ?? ''
}

/** `for=192.0.2.60;proto=http`, `for="[2001:db8::17]:4711"`. */
function forwardedFor(element: string): string {
  const [, quoted, token] = /(?:^|;)[\t ]*for=(?:"([^"]*)"|([^\t ",;]+))/i.exec(element) ?? []
  return quoted ?? token ?? ''
}

/** An address with or without brackets, port and zone; null for anything else. */
function parseAddress(text: string): string | null {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  const address = bare.replace(/%.*$/, '').toLowerCase()
  if (isIP(address) === 0) return null
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1] ?? address
}

function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  // WHATWG URLs write an address in one way: RFC 5952, four dotted numbers as two groups.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':')
    groups.push(...Array(8 - groups.length - after.length).fill('0'), ...after)
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}
