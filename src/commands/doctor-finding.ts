/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, in a word or two. */
  check: string
  /** `warn`: it works, and may not for long or not for everybody. `fail`: it does not. */
  state: 'ok' | 'warn' | 'fail'
  /** What was found. */
  text: string
  /** What to do about it. */
  mend?: string
}

export const ok = (check: string, text: string): Finding => ({ check, state: 'ok', text })
export const warn = (check: string, text: string, mend: string): Finding => ({
  ...{ check, state: 'warn', text, mend },
})
export const fail = (check: string, text: string, mend: string): Finding => ({
  ...{ check, state: 'fail', text, mend },
})

/** Clocks that differ by more than this: signed links, expiries and tokens end at other times. */
const CLOCK_WARN_MS = 2_000
const CLOCK_FAIL_MS = 60_000

/**
 * @param whose clock it is, such as `the database`.
 * @param sharpMs how exactly it was told.
 */
export function clockFinding(check: string, whose: string, aheadMs: number, sharpMs = 0): Finding {
  const off = Math.max(0, Math.abs(aheadMs) - sharpMs)
  const seconds = (Math.abs(aheadMs) / 1000).toFixed(1)
  if (off <= CLOCK_WARN_MS) return ok(check, `the clock of ${whose} agrees with the one here`)
  const text = `the clock of ${whose} is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the one here`
  const mend = 'set both by NTP (chrony, systemd-timesyncd): tokens and uploads end by these clocks'
  return off > CLOCK_FAIL_MS ? fail(check, text, mend) : warn(check, text, mend)
}
