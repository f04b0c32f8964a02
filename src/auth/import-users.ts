import { eq, inArray } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { users } from '../db/schema.ts'
import type { Role } from './actor.ts'

/** Somebody who has an account elsewhere. */
export interface ExistingUser {
  username: string
  firstName: string
  lastName: string
  role: Role
  isActive: boolean
  lastLogin: string | null
  /** Null where the source does not say: now. */
  createdAt: string | null
}

export interface ImportedUsers {
  created: number
  /** Had an account here, which was left as it is. */
  matched: number
}

export interface UserImport {
  /**
   * Makes an account for everybody who has none by that username. Nobody gets a token, and nobody
   * who is here already gets another role or name.
   *
   * @param dryRun counts, and changes nothing
   */
  add(found: AsyncIterable<ExistingUser>, dryRun: boolean): Promise<ImportedUsers>
  /**
   * The id of a user; undefined where there is none. In a dry run, somebody who would have been
   * made has the id 0.
   */
  idOf(username: string): Promise<number | undefined>
}

/** Users that go into one statement. */
const BATCH = 500

export function createUserImport({ db, now }: { db: Database; now: () => Date }): UserImport {
  /** Everybody who was met, so that a million files of one user ask once. */
  const ids = new Map<string, number | undefined>()

  async function remember(names: string[]): Promise<void> {
    const found = await withRetry(() =>
      db
        .select({ id: users.id, username: users.username })
        .from(users)
        .where(inArray(users.username, names)),
    )
    for (const { id, username } of found) ids.set(username, id)
  }

  async function addBatch(
    batch: ReadonlyMap<string, ExistingUser>,
    dryRun: boolean,
  ): Promise<number> {
    await remember([...batch.keys()])
    const fresh = [...batch.values()].filter(({ username }) => ids.get(username) === undefined)
    for (const { username } of fresh) ids.set(username, 0)
    if (dryRun || fresh.length === 0) return fresh.length
    const at = now().toISOString()
    const values = fresh.map((user) => ({ ...user, createdAt: user.createdAt ?? at }))
    await withRetry(() => db.insert(users).values(values).onConflictDoNothing())
    await remember(fresh.map(({ username }) => username))
    return fresh.length
  }

  async function add(found: AsyncIterable<ExistingUser>, dryRun: boolean): Promise<ImportedUsers> {
    let [all, created] = [0, 0]
    let batch = new Map<string, ExistingUser>()
    for await (const user of found) {
      all += 1
      batch.set(user.username, user)
      if (batch.size < BATCH) continue
      created += await addBatch(batch, dryRun)
      batch = new Map()
    }
    created += await addBatch(batch, dryRun)
    return { created, matched: all - created }
  }

  async function idOf(username: string): Promise<number | undefined> {
    if (!ids.has(username)) {
      const [found] = await withRetry(() =>
        db.select({ id: users.id }).from(users).where(eq(users.username, username)),
      )
      ids.set(username, found?.id)
    }
    return ids.get(username)
  }

  return { add, idOf }
}
