import { variables } from './config-variables.ts'

const COMMAND_LINE = new Set(['LANDFALL_URL', 'LANDFALL_TOKEN'])
/** Names that begin like this are ours: one that nobody knows is a slip of the pen. */
const OURS = /^(?:UPLOAD|CHUNKED|MEDIA|RESUMABLE|LANDFALL)_/
/** What Kubernetes and Docker links set for a neighbour called `media`, `upload` or `landfall`. */
const NEIGHBOUR =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP)(?:_[A-Z]+)?)$/

/** What is wrong with the names of variables that look like ours. */
export function* problemsOfNames(
  env: Readonly<Record<string, string | undefined>>,
): Generator<string> {
  const known = new Set(variables.map((variable) => variable.name))
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '' || COMMAND_LINE.has(name) || known.has(name)) continue
    if (OURS.test(name) && !NEIGHBOUR.test(name) && !/^(?:tcp|udp):/.test(value))
      yield `${name}: unknown${suggestion(name)}`
  }
}

function suggestion(unknown: string): string {
  const name = unknown.replace(/^LANDFALL_/, '')
  const near = variables
    .map((variable) => ({ name: variable.name, distance: distance(name, variable.name) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return near !== undefined && near.distance <= Math.max(3, name.length / 3)
    ? `; did you mean ${near.name}?`
    : '; remove it'
}

/** Levenshtein: how many letters to add, drop or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
