import { describe, expect, it } from 'vitest'
import { median, medians, percentile } from '../../../bench/statistics.ts'

describe('the median', () => {
  it('is the middle value, in whatever order they come', () => {
    expect(median([10, 9, 100])).toBe(10)
    expect(median([7])).toBe(7)
  })

  it('is half way between the two in the middle where there is an even number', () => {
    expect(median([4, 1, 3, 100])).toBe(3.5)
  })

  it('of nothing is an error instead of a figure', () => {
    expect(() => median([])).toThrow()
    expect(() => medians([])).toThrow()
    expect(() => percentile([], 0.5)).toThrow()
  })

  it('of samples is taken for each measure by itself', () => {
    const samples = [
      { seconds: 1, cpu: 30 },
      { seconds: 2, cpu: 10 },
      { seconds: 3, cpu: 20 },
    ]
    expect(medians(samples)).toEqual({ seconds: 2, cpu: 20 })
  })
})

describe('a percentile', () => {
  const values = Array.from({ length: 100 }, (_, n) => 100 - n)

  it('is a value that was measured, with its share of the others not above it', () => {
    expect(percentile(values, 0.95)).toBe(95)
    expect(percentile(values, 0.99)).toBe(99)
    expect(percentile(values, 1)).toBe(100)
    expect(percentile([3, 1, 2], 0.5)).toBe(2)
    expect(percentile([5], 0.01)).toBe(5)
  })
})
