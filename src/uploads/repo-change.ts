import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import { uploads } from '../db/schema.ts'
import { type Statement, statement } from '../db/statement.ts'
import type { HeldLock } from './lock.ts'
import type { Upload, UploadState } from './upload.ts'

const columns = getTableColumns(uploads)
/** By their shape, of which there are a dozen or two. */
const made = new Map<string, Statement<{ id: string }>>()

/**
 * The UPDATE of one upload from the states it expects, made once for each set of fields, with the
 * values to run it with. With a lock that has an epoch it changes nothing in other hands
 * (lock-fence.ts).
 */
export function changeOf(
  id: string,
  from: readonly UploadState[],
  set: Partial<Upload>,
  lock: HeldLock | undefined,
): { run: Statement<{ id: string }>; values: Record<string, unknown> } {
  const names = (Object.keys(set) as (keyof Upload)[]).filter((name) => set[name] !== undefined)
  const epoch = lock?.epoch ?? null
  const shape = `${names.join()} ${from.join()} ${epoch !== null}`
  const run = made.get(shape) ?? statement<{ id: string }>(textOf(names, from, epoch !== null))
  made.set(shape, run)
  return { run, values: { ...set, which: id, epoch } }
}

function textOf(names: readonly (keyof Upload)[], from: readonly UploadState[], fenced: boolean) {
  const fields = names.map(
    (name) =>
      sql`${sql.identifier(columns[name].name)} = ${sql.param(sql.placeholder(name), columns[name])}`,
  )
  const states = from.map((state) => sql.raw(`'${state}'`))
  const inHands: SQL = fenced ? sql` and lock_epoch = ${sql.placeholder('epoch')}` : sql``
  return sql`update uploads set ${sql.join(fields, sql`, `)}
    where id = ${sql.placeholder('which')} and state in (${sql.join(states, sql`, `)})${inHands}
    returning id`
}
