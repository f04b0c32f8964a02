import { markdownTable, type Report, summary } from './report.ts'

const BEGIN = '<!-- bench -->'
const END = '<!-- /bench -->'

/** The text of docs/performance.md with a new table between its marks. */
export function withTable(text: string, report: Report): string {
  const from = text.indexOf(BEGIN)
  const to = text.indexOf(END)
  if (from < 0 || to < from) throw new Error(`no ${BEGIN} … ${END} to write the table between`)
  const table = [...summary(report).flatMap((line) => [line, '']), markdownTable(report.rows)]
  return `${text.slice(0, from + BEGIN.length)}\n\n${table.join('\n')}\n\n${text.slice(to)}`
}
