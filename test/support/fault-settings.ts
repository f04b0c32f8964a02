/**
 * How long the fault tests run. FAULT_CYCLES is the number of kills of the kill loop; from 50 on
 * everything else takes its long form too. FAULT_SEED repeats a run.
 */
const cycles = Number(process.env.FAULT_CYCLES ?? 4)
const seed = Number(process.env.FAULT_SEED ?? Math.floor(Math.random() * 2 ** 31))
if (!Number.isSafeInteger(cycles) || cycles < 1) throw new Error('FAULT_CYCLES is no count')
if (!Number.isSafeInteger(seed)) throw new Error('FAULT_SEED is no integer')

export const faultCycles = cycles
export const faultSeed = seed
export const longForm = cycles >= 50

/** One line of figures on the terminal, with what repeats the run. */
export function report(test: string, figures: Record<string, number | string>): void {
  const shown = Object.entries(figures).map(([name, value]) => `${name}: ${value}`)
  process.stderr.write(
    `faults: ${test}: ${shown.join(', ')} (FAULT_CYCLES=${cycles} FAULT_SEED=${seed})\n`,
  )
}
