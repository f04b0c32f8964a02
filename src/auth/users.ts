import { and, asc, count, eq, isNull } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { isUniqueViolation, withRetry } from '../db/retry.ts'
import { tokens, users } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { Role } from './actor.ts'

/** A user as the database knows it. */
export type User = typeof users.$inferSelect

export interface NewUser {
  username: string
  role: Role
  /** Default `''`. */
  firstName?: string
  /** Default `''`. */
  lastName?: string
}

export interface UserChanges extends Partial<NewUser> {
  /** False: the user's tokens are refused while it stays so. They are not ended. */
  isActive?: boolean
}

export interface Users {
  /** Rejects with `bad-request` on the field `username` where the name is taken. */
  create(input: NewUser): Promise<User>
  /** Everybody, the deactivated too, in order of making. */
  list(page: { limit: number; offset: number }): Promise<{ count: number; users: User[] }>
  /** `not-found` where there is no such user. */
  get(id: number): Promise<User>
  /** Changes what is given. `not-found`, or `bad-request` on `username` as in `create`. */
  patch(id: number, changes: UserChanges): Promise<User>
  /** The user can no longer come in and their tokens are ended for good; their files stay. */
  deactivate(id: number): Promise<void>
}

export function createUsers(deps: { db: Database; now: () => Date }): Users {
  const { db, now } = deps

  async function create(input: NewUser): Promise<User> {
    const values = { ...input, createdAt: now().toISOString() }
    const [user] = await namingTaken(() => db.insert(users).values(values).returning())
    if (user === undefined) throw new Error('INSERT … RETURNING gave no row')
    return user
  }

  async function list(page: {
    limit: number
    offset: number
  }): Promise<{ count: number; users: User[] }> {
    const [total] = await withRetry(() => db.select({ count: count() }).from(users))
    const found = await withRetry(() =>
      db.select().from(users).orderBy(asc(users.id)).limit(page.limit).offset(page.offset),
    )
    return { count: total?.count ?? 0, users: found }
  }

  async function get(id: number): Promise<User> {
    const [user] = await withRetry(() => db.select().from(users).where(eq(users.id, id)))
    if (user === undefined) throw new Fault('not-found')
    return user
  }

  async function patch(id: number, changes: UserChanges): Promise<User> {
    if (Object.keys(changes).length === 0) return get(id)
    const [user] = await namingTaken(() =>
      db.update(users).set(changes).where(eq(users.id, id)).returning(),
    )
    if (user === undefined) throw new Fault('not-found')
    return user
  }

  async function deactivate(id: number): Promise<void> {
    await db.transaction(async (tx) => {
      const found = await tx
        .update(users)
        .set({ isActive: false })
        .where(eq(users.id, id))
        .returning({ id: users.id })
      if (found.length === 0) throw new Fault('not-found')
      await tx
        .update(tokens)
        .set({ revokedAt: now().toISOString() })
        .where(and(eq(tokens.userId, id), isNull(tokens.revokedAt)))
    })
  }

  return { create, list, get, patch, deactivate }
}

/** The index decides whether a name is taken, so that two requests at once cannot both have it. */
async function namingTaken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    const fields = { username: ['A user with that username already exists.'] }
    throw new Fault('bad-request', { fields, cause: error })
  }
}
