import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LocalFile } from '../../../src/commands/upload-files.ts'
import {
  createMeter,
  createProgress,
  formatDuration,
} from '../../../src/commands/upload-progress.ts'

const MIB = 1024 * 1024
const file = (shown: string, size: number): LocalFile => ({
  ...{ path: `/x/${shown}`, shown, name: shown, relativePath: null, size, mtimeMs: 0 },
})

const ESC = '\u001b['

/** What a terminal shows after all that was drawn and written. */
function screenOf(written: readonly string[]): string[] {
  const rows: string[] = []
  for (const text of written) {
    const up = text.startsWith(ESC) ? Number.parseInt(text.slice(ESC.length), 10) : 0
    const rest = up > 0 ? text.slice(text.indexOf(`${ESC}J`) + ESC.length + 1) : text
    rows.splice(rows.length - up)
    if (rest !== '') rows.push(...rest.replace(/\n$/, '').split('\n'))
  }
  return rows
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

function progressOf(files: readonly LocalFile[], terminal: boolean) {
  let now = 0
  const written: string[] = []
  const output = {
    result: () => {},
    note: (line: string) => void written.push(`${line}\n`),
    draw: (text: string) => void written.push(text),
    columns: () => 80,
  }
  const progress = createProgress({ output, terminal, files, now: () => now })
  const pass = (ms: number) => {
    now += ms
    vi.advanceTimersByTime(ms)
  }
  return { progress, pass, screen: () => screenOf(written), said: output.note }
}

describe('progress on a terminal', () => {
  it('is a bar for each file, with share, speed and time left, and one line for all', () => {
    const [first, second] = [file('first.bin', 10 * MIB), file('second.bin', 30 * MIB)]
    const { progress, pass, screen, said } = progressOf([first, second], true)
    progress.begin(first)
    progress.begin(second)
    pass(1000)
    progress.sent(first, 5 * MIB, 0)
    progress.sent(second, 3 * MIB, 0)
    pass(1000)
    const [one = '', two = '', all = ''] = screen()
    expect(one).toMatch(/^first\.bin +\[#{12}-{12}\] {2}50%, 2\.5 MB\/s, 0:02 left$/)
    expect(two).toMatch(/^second\.bin +\[##-{22}\] {2}10%, 1\.5 MB\/s, 0:18 left$/)
    expect(all).toBe('0 of 2 files,  20%, 4.0 MB/s, 0:08 left')
    progress.end(first, 'done')
    expect(screen()).toEqual(['first.bin: done'])
    said('its URL')
    pass(100)
    expect(screen().slice(0, 2)).toEqual(['first.bin: done', 'its URL'])
    expect(screen()).toHaveLength(4)
    progress.end(second, 'failed: answered 500')
    progress.stop()
    expect(screen()).toEqual(['first.bin: done', 'its URL', 'second.bin: failed: answered 500'])
  })

  it('keeps every line within the width, and nothing of a name moves the cursor', () => {
    const long = file(`${'long/'.repeat(30)}\u001b[2Jname\n.bin`, 1)
    const { progress, pass, screen } = progressOf([long], true)
    progress.begin(long)
    pass(200)
    expect(screen()).toHaveLength(2)
    for (const line of screen()) expect([...line].length).toBeLessThan(80)
    expect(screen()[0]).toMatch(/^….*name\ufffd\.bin \[/)
  })

  it('counts what was there before as done, and not as speed', () => {
    const resumed = file('resumed.bin', 100 * MIB)
    const { progress, pass, screen } = progressOf([resumed], true)
    progress.begin(resumed)
    pass(1000)
    progress.sent(resumed, 91 * MIB, 90 * MIB)
    pass(100)
    expect(screen()[0]).toMatch(/ 91%, 9\d\d\.\d KB\/s, 0:10 left$/)
  })
})

describe('progress without a terminal', () => {
  it('is a line for each file that has ended, and one for all now and then', () => {
    const [only] = [file('only.bin', 8 * MIB)]
    const { progress, pass, screen } = progressOf([only], false)
    progress.begin(only)
    progress.sent(only, 2 * MIB, 0)
    pass(9_000)
    expect(screen()).toEqual([])
    pass(1_000)
    expect(screen()).toEqual(['0 of 1 files,  25%, 204.8 KB/s, 0:30 left'])
    progress.end(only, 'done, 8.0 MB')
    progress.stop()
    pass(60_000)
    expect(screen().slice(1)).toEqual(['only.bin: done, 8.0 MB'])
  })
})

describe('a meter', () => {
  it('tells the speed of the last seconds, and zero before there is one', () => {
    let now = 0
    const meter = createMeter(() => now)
    expect(meter.speed()).toBe(0)
    for (now = 1000; now <= 20_000; now += 1000) meter.add(now <= 10_000 ? 1000 : 5000)
    now = 20_000
    expect(meter.speed()).toBe(5000)
  })
})

describe('a duration', () => {
  it.each([
    [0, '0:00'],
    [59.2, '1:00'],
    [61, '1:01'],
    [3600, '1:00:00'],
    [86_400, '24:00:00'],
  ])('of %d seconds is %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text)
  })
})
