import { eq, inArray, or, type SQL, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { users } from '../db/schema.ts'
import type { ManifestOwner } from './manifest.ts'

/**
 * Numbers that are taken by hand are not to be given out again. Called before they are, so that a
 * process that dies in between leaves nothing but a gap.
 */
export async function passBy(db: Database, table: 'users' | 'media_files', upTo: number) {
  const sequence: SQL = sql`pg_get_serial_sequence(${table}, 'id')`
  await rows(
    db,
    sql`select setval(${sequence}, ${upTo}::bigint)
    where coalesce(pg_sequence_last_value(${sequence}::regclass), 0) < ${upTo}::bigint`,
  )
}

export interface Owners {
  /** Users that were made, or would have been. */
  readonly made: number
  /** Makes those who are not there. */
  ensure(owners: readonly ManifestOwner[]): Promise<void>
  /** The id here of somebody who was ensured; undefined where all their names are others'. */
  idOf(owner: ManifestOwner): number | undefined
}

/**
 * The owners of files: those who have both the id and the username of the manifest, or the id and
 * the full name, as after a change of the username. A username alone proves nothing, since it may
 * have been somebody else's before, and neither does an id, which a new database gives out again.
 *
 * Who is missing is made with the id of the manifest where that is free: without a token, with the
 * least role, and not active, since nothing tells whether the account had been closed. Where
 * another user has the id or the username, `<username>.<id>` is made.
 */
export function createOwners(deps: { db: Database; now: () => Date; dryRun: boolean }): Owners {
  const { db, now, dryRun } = deps
  const ids = new Map<string, number | undefined>()
  let made = 0

  async function find(owner: ManifestOwner): Promise<number | undefined> {
    const found = await holders(owner)
    const named = found.filter((user) => isNamesake(user, owner))
    const same =
      found.find(({ id, username }) => id === owner.id && username === owner.username) ??
      named.find(({ id }) => id === owner.id && owner.firstName + owner.lastName !== '') ??
      named.find(({ username }) => username === otherName(owner))
    return same?.id
  }

  /** Whoever has a name or the id of this owner. */
  function holders({ id, ...owner }: ManifestOwner) {
    const names = [owner.username, otherName({ id, ...owner })]
    const { username, firstName, lastName } = users
    return withRetry(() =>
      db
        .select({ id: users.id, username, firstName, lastName })
        .from(users)
        .where(or(eq(users.id, id), inArray(username, names))),
    )
  }

  async function make(owner: ManifestOwner): Promise<void> {
    const found = await holders(owner)
    const isTaken = found.some(({ id }) => id === owner.id)
    const { id, ...names } = owner
    const isFree = !isTaken && found.every(({ username }) => username !== owner.username)
    const user = {
      ...names,
      username: isFree ? owner.username : otherName(owner),
      role: 'user' as const,
      isActive: false,
      createdAt: now().toISOString(),
    }
    await withRetry(() => {
      const insert = db.insert(users)
      return (
        isTaken ? insert.values(user) : insert.overridingSystemValue().values({ ...user, id })
      ).onConflictDoNothing()
    })
  }

  return {
    get made() {
      return made
    },
    async ensure(owners) {
      for (const owner of owners) {
        const key = keyOf(owner)
        if (ids.has(key)) continue
        ids.set(key, await find(owner))
        if (ids.get(key) !== undefined) continue
        made += 1
        if (dryRun) ids.set(key, 0)
        if (dryRun) continue
        await withRetry(() => passBy(db, 'users', owner.id))
        await make(owner)
        ids.set(key, await find(owner))
      }
    },
    idOf: (owner) => ids.get(keyOf(owner)),
  }
}

const keyOf = ({ id, username }: ManifestOwner) => `${id} ${username}`
const otherName = ({ id, username }: ManifestOwner) => `${username}.${id}`

function isNamesake(
  one: Pick<ManifestOwner, 'firstName' | 'lastName'>,
  other: Pick<ManifestOwner, 'firstName' | 'lastName'>,
): boolean {
  return one.firstName === other.firstName && one.lastName === other.lastName
}
