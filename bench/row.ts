/** One line of the table: what we measured, beside what, and what there is to reach. */
export interface Row {
  /** In the words of the target, with the setting it was measured in. Unique in a run. */
  figure: string
  /** Ours; or why there is none. */
  ours: number | { absent: string }
  unit: Unit
  /** Whom it is compared with; its figure, or why there is none. */
  peer?: { name: string; value: number | { absent: string } }
  /** Without a goal the row is there to be known. */
  goal?: Goal
  /** What has to be known to read it, such as a smaller size. */
  note?: string
}

/** `times`: of the peer's figure. `plain`: a limit in the row's own unit. */
export type Goal = { bound: 'at most' | 'at least' | 'under'; of: 'times' | 'plain'; value: number }

export type Unit = 's' | 'ms' | 's/GiB' | 'MiB/s' | '/s' | 'MiB' | 'MB' | '%' | ''

export type Verdict = 'met' | 'lost' | 'absent' | 'for information'

export interface Judged {
  /** Ours divided by the peer's; null where there are not both. */
  ratio: number | null
  verdict: Verdict
}

export const atMost = (value: number): Goal => ({ bound: 'at most', of: 'times', value })
export const atLeast = (value: number): Goal => ({ bound: 'at least', of: 'times', value })
export const under = (value: number): Goal => ({ bound: 'under', of: 'plain', value })

export function judge({ ours, peer, goal }: Row): Judged {
  const theirs = peer?.value
  const both = typeof ours === 'number' && typeof theirs === 'number' && theirs > 0
  const ratio = both ? ours / theirs : null
  if (typeof ours !== 'number') return { ratio, verdict: 'absent' }
  if (goal === undefined) {
    const isAbsent = theirs !== undefined && typeof theirs !== 'number'
    return { ratio, verdict: isAbsent ? 'absent' : 'for information' }
  }
  const figure = goal.of === 'times' ? ratio : ours
  if (figure === null) return { ratio, verdict: 'absent' }
  return { ratio, verdict: reaches(figure, goal) ? 'met' : 'lost' }
}

function reaches(figure: number, { bound, value }: Goal): boolean {
  if (bound === 'at least') return figure >= value
  return bound === 'under' ? figure < value : figure <= value
}
