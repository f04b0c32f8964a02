import { describe, expect, it } from 'vitest'
import { backOff, judge } from '../../../src/web/upload/failure.ts'
import { fingerprintOf, type Item, summarise } from '../../../src/web/upload/item.ts'
import { createSpeedMeter } from '../../../src/web/upload/speed.ts'

const item = (change: Partial<Item>): Item => ({
  id: '1',
  name: 'a.txt',
  folder: '',
  size: 100,
  type: '',
  lastModified: 1,
  state: 'waiting',
  sent: 0,
  url: null,
  trouble: null,
  speed: null,
  fileId: null,
  link: null,
  ...change,
})

describe('what an upload does after an error', () => {
  it('goes on by itself after whatever passes', () => {
    for (const status of [0, 408, 409, 423, 429, 500, 502, 503, 504, 507])
      expect(judge(status, '', undefined).next, String(status)).toBe('retry')
  })

  it('waits as long as the server asks for', () => {
    expect(judge(503, '', '7')).toMatchObject({ next: 'retry', afterMs: 7000 })
    expect(judge(503, '', 'soon')).toMatchObject({ next: 'retry', afterMs: 0 })
  })

  it('stops for good with the words of the server, where it has any', () => {
    expect(judge(415, 'Files of this type are not accepted here.\n', undefined)).toEqual({
      next: 'stop',
      words: 'Files of this type are not accepted here.',
    })
    expect(judge(413, '<html>too large</html>', undefined)).toEqual({
      next: 'stop',
      words: 'This is larger than the server takes.',
    })
    expect(judge(403, '{"detail":"no"}', undefined)).toEqual({
      next: 'stop',
      words: 'Your account may not do this. Ask an admin of this server.',
    })
  })

  it('asks for a token, or begins again on word', () => {
    expect(judge(401, '', undefined).next).toBe('sign-in')
    expect(judge(404, '', undefined).next).toBe('restart')
    expect(judge(410, '', undefined).next).toBe('restart')
  })

  it('tries again soon at first, and never less often than twice a minute', () => {
    expect([0, 1, 2, 3, 20].map(backOff)).toEqual([500, 1000, 2000, 4000, 30_000])
  })
})

describe('the sum of all uploads', () => {
  it('counts bytes, speed and time left of what runs', () => {
    const items = [
      item({ state: 'done', sent: 100 }),
      item({ state: 'sending', sent: 50, speed: 10 }),
      item({ state: 'paused', sent: 20 }),
      item({ state: 'failed', sent: 70 }),
    ]
    expect(summarise(items)).toEqual({
      open: 2,
      done: 1,
      failed: 1,
      stopped: 1,
      sent: 170,
      size: 300,
      speed: 10,
      left: 5,
    })
  })

  it('promises no time while nothing moves', () => {
    expect(summarise([item({ state: 'retrying' })]).left).toBeNull()
    expect(summarise([]).left).toBeNull()
  })
})

describe('the speed of an upload', () => {
  it('is that of the last seconds', () => {
    const meter = createSpeedMeter()
    for (let second = 0; second <= 10; second++) meter.at(second * 100, second * 1000)
    expect(meter.speed(10_000)).toBe(100)
    for (let second = 11; second <= 20; second++)
      meter.at(1000 + (second - 10) * 500, second * 1000)
    expect(meter.speed(20_000)).toBe(500)
  })

  it('is unknown at first, and after bytes were lost', () => {
    const meter = createSpeedMeter()
    meter.at(0, 0)
    expect(meter.speed(100)).toBeNull()
    meter.at(900, 1000)
    expect(meter.speed(1000)).toBe(900)
    meter.at(400, 1100)
    expect(meter.speed(1100)).toBeNull()
  })

  it('falls to nothing when nothing more goes', () => {
    const meter = createSpeedMeter()
    meter.at(0, 0)
    meter.at(1000, 1000)
    expect(meter.speed(10_000)).toBeLessThan(200)
  })
})

describe('a file that is chosen again', () => {
  it('is known by name, size and time', () => {
    const file = { name: 'a', size: 1, lastModified: 2 }
    expect(fingerprintOf({ ...file })).toBe(fingerprintOf(file))
    for (const change of [{ name: 'b' }, { size: 2 }, { lastModified: 3 }])
      expect(fingerprintOf({ ...file, ...change })).not.toBe(fingerprintOf(file))
  })
})
