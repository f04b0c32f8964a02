import { describe, expect, it } from 'vitest'
import { withTable } from '../../../bench/document.ts'
import { markdownTable, merge, plainTable, type Report, summary } from '../../../bench/report.ts'
import { atMost, type Row, under } from '../../../bench/row.ts'

const wall: Row = {
  figure: 'one upload: wall time',
  ours: 1.234,
  unit: 's',
  peer: { name: 'peer', value: 2 },
  goal: atMost(0.67),
}
const lost: Row = { figure: 'memory', ours: 208.4, unit: 'MiB', goal: under(200), note: '20 s' }
const absent: Row = {
  figure: 'one upload: wall time',
  ours: 1.234,
  unit: 's',
  peer: { name: 'rustus', value: { absent: 'no cargo | on this machine' } },
}

function report(rows: Row[], given: Partial<Report> = {}): Report {
  return {
    machine: {
      system: 'a system',
      processor: 'a processor',
      cores: 2,
      memoryGiB: 24,
      fileSystem: 'ext4',
      node: 'v20.0.0',
      loadBefore: 0.1,
      commit: 'abc',
      date: '2026-01-02',
    },
    postgres: '18.4',
    quick: false,
    runs: 5,
    rows,
    samples: {},
    took: {},
    failures: {},
    ...given,
  }
}

describe('the table', () => {
  it('has figure, goal, measure, peer, ratio and verdict, losses and absences included', () => {
    const [, , ...lines] = markdownTable([wall, lost, absent]).split('\n')
    expect(lines).toEqual([
      '| one upload: wall time | at most 0.67 × peer | 1.23 s | peer: 2.00 s | 0.62 | met |  |',
      '| memory | under 200 MiB | 208 MiB |  |  | lost | 20 s |',
      '| one upload: wall time |  | 1.23 s | rustus: absent (no cargo \\| on this machine) |  | absent |  |',
    ])
  })

  it('has columns of one width on a terminal', () => {
    const [head = '', first = ''] = plainTable([wall, lost]).split('\n')
    expect(head.indexOf('to reach')).toBe(first.indexOf('at most'))
    expect(head.indexOf('ratio')).toBe(first.indexOf('0.62'))
  })

  it('says above it how many are reached, and when its figures are small ones', () => {
    expect(summary(report([wall, lost, absent]))[0]).toBe(
      '1 met, 1 lost, 1 absent, 0 for information.',
    )
    expect(summary(report([wall])).join()).not.toContain('--quick')
    expect(summary(report([wall], { quick: true })).join()).toContain('--quick')
  })

  it('names a scenario that broke', () => {
    const text = summary(report([], { failures: { tus: 'no room' } })).join('\n')
    expect(text).toContain('The scenario tus broke: no room')
  })
})

describe('several runs', () => {
  it('are one: of a figure beside the same peer the last counts', () => {
    const later = { ...wall, ours: 1 }
    const { rows } = merge([report([wall, absent]), report([later, lost])])
    expect(rows).toEqual([later, absent, lost])
  })

  it('are quick when one of them was', () => {
    expect(merge([report([wall], { quick: true }), report([lost])]).quick).toBe(true)
  })

  it('say of each scenario in which run it was measured last, also when put together twice', () => {
    const first = report([wall], { took: { tus: 5, list: 9 }, runs: 3 })
    const again = report([wall], { took: { tus: 4 } })
    const last = report([lost], { took: { start: 1 } })
    const lines = summary(merge([merge([first, again]), last])).filter((line) =>
      /commit/.test(line),
    )
    expect(lines).toEqual([
      'list: 3 runs, 2026-01-02, commit abc, load average before it 0.1.',
      'tus: 5 runs, 2026-01-02, commit abc, load average before it 0.1.',
      'start: 5 runs, 2026-01-02, commit abc, load average before it 0.1.',
    ])
  })
})

describe('the page', () => {
  it('gets the table between its marks, and keeps everything else', () => {
    const page = 'before\n<!-- bench -->\nold\n<!-- /bench -->\nafter'
    const text = withTable(page, report([lost]))
    expect(text.startsWith('before\n<!-- bench -->\n')).toBe(true)
    expect(text.endsWith('\n<!-- /bench -->\nafter')).toBe(true)
    expect(text).toContain('| memory |')
    expect(text).not.toContain('old')
    expect(withTable(text, report([lost]))).toBe(text)
  })

  it('without marks is refused instead of overwritten', () => {
    expect(() => withTable('a page', report([lost]))).toThrow('bench')
  })
})
