import { describe, expect, it } from 'vitest'
import { clientNetwork } from '../../../src/wire/client-address.ts'

const network = (
  remote: string | undefined,
  headers: Record<string, string> = {},
  trustProxy = true,
) => clientNetwork({ trustProxy, header: (name) => headers[name], remote })

describe('clientNetwork', () => {
  it.each([
    ['192.0.2.60', '192.0.2.60'],
    ['::ffff:192.0.2.60', '192.0.2.60'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['not an address', ''],
    [undefined, ''],
  ])('of a connection from %s is %s', (remote, expected) => {
    expect(network(remote)).toBe(expected)
  })

  it.each<[Record<string, string>, string]>([
    [{ 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7'],
    // What the client sent stands first, what our proxy saw last.
    [{ 'x-forwarded-for': '203.0.113.9, 198.51.100.7' }, '198.51.100.7'],
    [{ 'x-forwarded-for': '198.51.100.7:5011' }, '198.51.100.7'],
    [{ 'x-forwarded-for': '[2001:db8::1]:5011' }, '2001:db8:0:0::/64'],
    [{ 'x-forwarded-for': '2001:db8::1' }, '2001:db8:0:0::/64'],
    [{ forwarded: 'for=192.0.2.60;proto=http;by=203.0.113.43' }, '192.0.2.60'],
    [
      { forwarded: 'for=192.0.2.43, proto=https;For="[2001:db8:cafe::17]:4711"' },
      '2001:db8:cafe:0::/64',
    ],
    [{ forwarded: 'for=192.0.2.60', 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7'],
  ])('behind a trusted proxy is the last one of %j', (headers, expected) => {
    expect(network('10.0.0.1', headers)).toBe(expected)
    expect(network('10.0.0.1', headers, false)).toBe('10.0.0.1')
  })

  it.each<Record<string, string>>([
    { 'x-forwarded-for': '' },
    { 'x-forwarded-for': 'unknown' },
    { 'x-forwarded-for': '198.51.100.7, 999.1.1.1' },
    // A proxy that writes the one may pass on the other as the client made it up.
    { 'x-forwarded-for': 'unknown', forwarded: 'for=192.0.2.60' },
    { 'x-forwarded-for': '', forwarded: 'for=192.0.2.60' },
    { forwarded: 'for=_hidden' },
    { forwarded: 'proto=https' },
  ])('is that of the proxy where %j names none', (headers) => {
    expect(network('10.0.0.1', headers)).toBe('10.0.0.1')
  })
})
