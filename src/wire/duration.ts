const milliseconds = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * Reads a duration as a person writes it in a setting: `500ms`, `90s`, `5m`, `24h`, `7d`.
 * Milliseconds; null for anything else, a number without its unit included, and beyond 2^53-1.
 */
export function parseDuration(text: string): number | null {
  const match = /^([0-9]{1,16})(ms|s|m|h|d)$/.exec(text)
  if (match === null) return null
  const value = Number(match[1]) * milliseconds[match[2] as keyof typeof milliseconds]
  return Number.isSafeInteger(value) ? value : null
}
