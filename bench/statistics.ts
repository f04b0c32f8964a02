/** The middle value; of an even number of them the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the median of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  if (Number.isInteger(middle)) return ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
  return upper
}

/** The smallest value that at least this share of them does not exceed (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('a percentile of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  const rank = Math.max(1, Math.ceil(share * sorted.length))
  return sorted[rank - 1] ?? Number.NaN
}

/** Of samples with the same members, the median of each member. */
export function medians<T extends Record<string, number>>(samples: readonly T[]): T {
  const [first] = samples
  if (first === undefined) throw new Error('the medians of nothing')
  const names = Object.keys(first)
  return Object.fromEntries(
    names.map((name) => [name, median(samples.map((sample) => sample[name] ?? Number.NaN))]),
  ) as T
}
