/** Where a command writes: `result` is for scripts (standard output), `note` for people. */
export interface Output {
  result(line: string): void
  note(line: string): void
  /** Text for a terminal as it is, to be moved over later. Absent where people are not watching. */
  draw?(text: string): void
  /** Width of that terminal. */
  columns?(): number
}

export const processOutput: Output = {
  result: (line) => process.stdout.write(`${line}\n`),
  note: (line) => process.stderr.write(`${line}\n`),
  draw: (text) => process.stderr.write(text),
  columns: () => process.stderr.columns ?? 80,
}

/**
 * Text of others for a terminal: control characters could move its cursor or fake lines, and those
 * that turn the writing direction could make one name look like another.
 */
export function printable(value: unknown): string {
  const text = value === null || value === undefined ? '' : String(value)
  return text.replace(/[\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}

/** As `printable`, for text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** Columns as wide as their longest value; no row is cut. */
export function table(heads: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [heads, ...rows.map((row) => row.map(printable))]
  const widths = heads.map((_, column) => Math.max(...cells.map((row) => length(row[column]))))
  return cells
    .map((row) =>
      row
        .map((cell, column) => pad(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Characters as a reader counts them: an emoji is one. */
function length(text = ''): number {
  return [...text].length
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(width - length(text))
}
