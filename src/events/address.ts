import { type LookupAddress, lookup as lookupName } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** The addresses that are no stranger's: IANA's IPv4 Special-Purpose Address Registry, and more. */
const SPECIAL_IPV4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private, RFC 1918
  '100.64.0.0/10', // behind a carrier's NAT, RFC 6598
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, RFC 3927; the metadata of clouds at 169.254.169.254
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments, RFC 6890
  '192.0.2.0/24', // documentation, RFC 5737
  '192.88.99.0/24', // relays of 6to4, RFC 7526
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks, RFC 2544
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and the broadcast address
]
/** Within 2000::/3; all that lies outside of it (loopback, ULA, link-local, …) is special anyway. */
const SPECIAL_IPV6 = [
  '2001::/23', // protocol assignments, RFC 2928, with Teredo
  '2001:db8::/32', // documentation, RFC 3849
  '2002::/16', // 6to4, RFC 3056: an IPv4 address is in it
  '3fff::/20', // documentation, RFC 9637
]

const special = listOf([...SPECIAL_IPV4, ...SPECIAL_IPV6])
const globalUnicast = listOf(['2000::/3'])

function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [net = '', bits] = subnet.split('/')
    list.addSubnet(net, Number(bits), isIP(net) === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

/**
 * Whether an IP address may belong to anybody on the internet, as opposed to this machine, its
 * network or nobody. IPv4 within IPv6 (mapped, or translated by NAT64) counts as what it is.
 */
export function isPublicAddress(address: string): boolean {
  const plain = address.replace(/%.*$/s, '')
  if (isIP(plain) === 4) return !special.check(plain, 'ipv4')
  if (isIP(plain) !== 6) return false
  const within = ipv4Within(plain)
  if (within !== null) return isPublicAddress(within)
  return globalUnicast.check(plain, 'ipv6') && !special.check(plain, 'ipv6')
}

/** `::ffff:0:0/96` (RFC 4291 §2.5.5.2) and `64:ff9b::/96` (RFC 6052 §2.1), as a dotted quad. */
function ipv4Within(address: string): string | null {
  // The one spelling that an address has in a URL.
  const { hostname } = new URL(`http://[${address}]/`)
  const found = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname)
  if (found === null) return null
  const [high, low] = [Number.parseInt(found[1] ?? '', 16), Number.parseInt(found[2] ?? '', 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** The IP address that a URL names by itself; null where it has a host name. */
export function literalAddress(url: URL): string | null {
  const host = url.hostname.replace(/^\[(.*)\]$/s, '$1')
  return isIP(host) === 0 ? null : host
}

/** The code of the error with which `publicLookup` refuses. */
export const PRIVATE_ADDRESS = 'ERR_PRIVATE_ADDRESS'

/** How addresses of a name are found; `dns.lookup` with `all`. */
export type FindAddresses = (
  hostname: string,
  options: { family?: number | 'IPv4' | 'IPv6' | undefined; hints?: number | undefined },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const findByDns: FindAddresses = (hostname, options, done) =>
  lookupName(hostname, { ...options, all: true }, done)

/**
 * For `lookup` of a connection: only the public ones of a name's addresses, so that what is checked
 * is what is connected to, whatever the name says a moment later. Fails with PRIVATE_ADDRESS where
 * none is left. A host that is an address already is never looked up: see `literalAddress`.
 */
export function publicLookup(find: FindAddresses = findByDns): LookupFunction {
  return (hostname, options, callback) => {
    find(hostname, { family: options.family, hints: options.hints }, (error, addresses) => {
      if (error) return callback(error, [])
      const allowed = addresses.filter(({ address }) => isPublicAddress(address))
      const [first] = allowed
      if (first === undefined) {
        const refusal = new Error('every address of the host is private')
        return callback(Object.assign(refusal, { code: PRIVATE_ADDRESS }), [])
      }
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
