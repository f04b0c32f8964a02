import { type LookupAddress, lookup } from 'node:dns'
import { describe, expect, it } from 'vitest'
import { isPublicAddress, literalAddress, publicLookup } from '../../../src/events/address.ts'

describe('an address that belongs to nobody else', () => {
  it.each([
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.255.255.254'],
    ...['169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.8', '192.0.2.1'],
    ...['192.168.1.1', '198.18.0.1', '198.19.255.255', '198.51.100.7', '203.0.113.9'],
    ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '192.88.99.1'],
    ...['::', '::1', '::127.0.0.1', 'fc00::1', 'fdff::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1'],
    ...['ff02::1', '2001::1', '2001:db8::1', '2002:7f00:1::', '3fff::1', '100::1', '5f00::1'],
    ...['::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:0a00:0001', '64:ff9b::10.0.0.1'],
    ...['64:ff9b::1', '64:ff9b:1::8.8.8.8', 'localhost', ''],
  ])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })
})

describe('a public address', () => {
  it.each([
    ...['1.1.1.1', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.0.0.1'],
    ...['169.253.255.255', '172.15.255.255', '172.32.0.0', '192.167.255.255', '223.255.255.255'],
    ...['2606:4700:4700::1111', '2a00:1450:4001::1', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8'],
  ])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })
})

describe('the address that a URL names', () => {
  it.each([
    ['http://127.0.0.1:80/', '127.0.0.1'],
    ['http://0x7f.1/', '127.0.0.1'],
    ['http://2130706433/', '127.0.0.1'],
    ['http://[::ffff:10.0.0.1]/', '::ffff:a00:1'],
    ['https://example.org/', null],
    ['https://localhost/', null],
  ])('%s', (url, address) => {
    expect(literalAddress(new URL(url))).toBe(address)
  })
})

describe('the lookup of a connection', () => {
  const find = (addresses: string[]) => publicLookup((_, __, done) => done(null, addresses.map(of)))
  const of = (address: string): LookupAddress => ({
    address,
    family: address.includes(':') ? 6 : 4,
  })
  const ask = (look: ReturnType<typeof publicLookup>, all: boolean) =>
    new Promise((resolve) => {
      look('example.org', { all }, (error, found, family) =>
        resolve(error ? error.code : { found, family }),
      )
    })

  it('gives only the public ones', async () => {
    const look = find(['10.0.0.1', '8.8.8.8', '::1', '2606:4700::1'])
    expect(await ask(look, true)).toEqual({
      found: [of('8.8.8.8'), of('2606:4700::1')],
      family: undefined,
    })
    expect(await ask(look, false)).toEqual({ found: '8.8.8.8', family: 4 })
  })

  it('fails where none is left', async () => {
    expect(await ask(find(['127.0.0.1', '::1']), true)).toBe('ERR_PRIVATE_ADDRESS')
    expect(await ask(find([]), false)).toBe('ERR_PRIVATE_ADDRESS')
  })

  it("goes by the system's resolver", async () => {
    const known = await new Promise((resolve) =>
      lookup('localhost', { all: true }, (_, found) => resolve(found)),
    )
    expect(known).not.toEqual([])
    const answer = await new Promise((resolve) =>
      publicLookup()('localhost', { all: true }, (error) => resolve(error?.code)),
    )
    expect(answer).toBe('ERR_PRIVATE_ADDRESS')
  })
})
