import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatSize, parseSize } from '../../../src/wire/size.ts'

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['1048576', 1_048_576],
    ['10B', 10],
    ['500MB', 500_000_000],
    ['5GiB', 5 * 1024 ** 3],
    ['1kB', 1000],
    ['1KB', 1000],
    ['1KiB', 1024],
    ['2tb', 2e12],
    ['1TiB', 1024 ** 4],
    ['9PB', 9e15],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['1.1KiB', 1126],
    ['5 GiB', 5 * 1024 ** 3],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each([
    ...['', 'MB', '-1', '+5MB', '1e3', '5G', '5Gi', '5iB', '1.5', '1.5B', '1.MB', '.5MB', '5  MB'],
    ...['5 ', ' 5', '5MB ', '5MBs', '0x10', '1,5MB', '9007199254740992', '8192PiB', '9e9PB'],
  ])('refuses %j', (text) => {
    expect(parseSize(text)).toBeNull()
  })

  it('never throws and gives whole bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^\d{1,20}(\.\d+)? ?[kMGTP]?i?B?$/)),
        (t) => {
          const bytes = parseSize(t)
          expect(bytes === null || (Number.isSafeInteger(bytes) && bytes >= 0)).toBe(true)
        },
      ),
    )
  })
})

describe('formatSize', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [2, '2 bytes'],
    [1023, '1023 bytes'],
    [1024, '1.0 KB'],
    [1280, '1.2 KB'],
    [1281, '1.3 KB'],
    [1792, '1.8 KB'],
    [1_048_575, '1024.0 KB'],
    [1_048_576, '1.0 MB'],
    [2_621_440, '2.5 MB'],
    [1_073_741_823, '1024.0 MB'],
    [5_000_000_000, '4.7 GB'],
    [1024 ** 4, '1.0 TB'],
    [1024 ** 5 - 1, '1024.0 TB'],
    [1024 ** 5, '1.0 PB'],
    [Number.MAX_SAFE_INTEGER, '8.0 PB'],
  ])('prints %d as %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text)
  })

  it('is never further than half a tenth of its unit from the truth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1024, max: 1024 ** 4 }), (bytes) => {
        const [number = '', unit = ''] = formatSize(bytes).split(' ')
        const power = ['KB', 'MB', 'GB', 'TB'].indexOf(unit) + 1
        expect(Math.abs(Number(number) - bytes / 1024 ** power)).toBeLessThanOrEqual(0.05 + 1e-9)
      }),
    )
  })
})
