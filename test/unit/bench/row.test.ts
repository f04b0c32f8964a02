import { describe, expect, it } from 'vitest'
import { atLeast, atMost, judge, type Row, under } from '../../../bench/row.ts'

function row(given: Partial<Row>): Row {
  return { figure: 'a figure', ours: 1, unit: 's', ...given }
}

describe('a row is judged', () => {
  const peer = { name: 'peer', value: 2 }

  it.each([
    ['at most a share of the peer', { ours: 1.34, peer, goal: atMost(0.67) }, 'met'],
    ['more than that share', { ours: 1.36, peer, goal: atMost(0.67) }, 'lost'],
    ['at least as much as the peer', { ours: 2, peer, goal: atLeast(1) }, 'met'],
    ['less than the peer', { ours: 1.99, peer, goal: atLeast(1) }, 'lost'],
    ['below a limit', { ours: 49.9, goal: under(50) }, 'met'],
    ['at a limit that it has to be under', { ours: 50, goal: under(50) }, 'lost'],
    ['without a goal', { ours: 5, peer }, 'for information'],
  ] as const)('%s: %o is %s', (_, given, verdict) => {
    expect(judge(row(given)).verdict).toBe(verdict)
  })

  it('by ours divided by theirs', () => {
    expect(judge(row({ ours: 3, peer })).ratio).toBe(1.5)
    expect(judge(row({ ours: 3, goal: under(5) })).ratio).toBeNull()
  })

  it('as absent where either of the two is missing, and never as met', () => {
    const missing = { absent: 'no cargo' }
    const goal = atMost(1)
    expect(judge(row({ ours: missing, peer, goal })).verdict).toBe('absent')
    expect(judge(row({ ours: missing, goal: under(5) })).verdict).toBe('absent')
    const without = { name: 'peer', value: missing }
    expect(judge(row({ peer: without, goal }))).toEqual({ ratio: null, verdict: 'absent' })
    expect(judge(row({ peer: without })).verdict).toBe('absent')
  })

  it('by its limit even where a peer that is only shown is missing', () => {
    const without = { name: 'peer', value: { absent: 'no pip' } }
    expect(judge(row({ ours: 4, peer: without, goal: under(5) })).verdict).toBe('met')
  })
})
