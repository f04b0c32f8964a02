import { and, eq, isNull, ne, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { tokens, users } from '../db/schema.ts'
import { generateKey, hashKey } from './key.ts'

/** Servers that start together take turns here: any fixed number will do ("land" + 1). */
const FIRST_START_LOCK = 0x6c616e65
const ADMIN = 'admin'
/** The token of ADMIN_TOKEN carries this name, so that a changed key replaces the one before. */
const FROM_ENVIRONMENT = 'ADMIN_TOKEN'

export interface EnsureAdminOptions {
  /** ADMIN_TOKEN: made an admin's valid token, whatever was done to it or its user before. */
  adminToken?: string | undefined
}

/**
 * Sees to it that somebody can administer this server. On a database without users it makes `admin`
 * with a new key and answers the key, this once. With `adminToken` that key is made valid instead,
 * at every start, and never answered; the key that an earlier start was given ends.
 */
export async function ensureAdmin(
  deps: { db: Database; now: () => Date },
  options: EnsureAdminOptions = {},
): Promise<{ printedKey: string | null }> {
  const now = deps.now().toISOString()
  const { adminToken } = options
  return deps.db.transaction(async (tx) => {
    // Freed by Postgres at the end of the transaction, also when this process dies in it.
    await tx.execute(sql`select pg_advisory_xact_lock(${FIRST_START_LOCK})`)
    if (adminToken !== undefined) {
      await makeValid(tx, adminToken, now)
      return { printedKey: null }
    }
    const somebody = await tx.select({ id: users.id }).from(users).limit(1)
    if (somebody.length > 0) return { printedKey: null }
    const key = generateKey()
    const userId = await createAdmin(tx, now)
    await tx
      .insert(tokens)
      .values({ userId, hash: hashKey(key), name: 'first start', createdAt: now })
    return { printedKey: key }
  })
}

async function makeValid(db: Database, key: string, now: string): Promise<void> {
  const hash = hashKey(key)
  const userId = (await adminOf(db, hash)) ?? (await createAdmin(db, now))
  const admin = { role: 'admin', isActive: true } as const
  await db.update(users).set(admin).where(eq(users.id, userId))
  const valid = { userId, name: FROM_ENVIRONMENT, revokedAt: null, expiresAt: null }
  await db
    .insert(tokens)
    .values({ ...valid, hash, createdAt: now })
    .onConflictDoUpdate({ target: tokens.hash, set: valid })
  await db
    .update(tokens)
    .set({ revokedAt: now })
    .where(and(eq(tokens.name, FROM_ENVIRONMENT), ne(tokens.hash, hash), isNull(tokens.revokedAt)))
}

/** The admin that holds the key already (they may have been renamed), else the one called admin. */
async function adminOf(db: Database, hash: string): Promise<number | undefined> {
  const [holder] = await db
    .select({ id: users.id })
    .from(tokens)
    .innerJoin(users, eq(users.id, tokens.userId))
    .where(and(eq(tokens.hash, hash), eq(users.role, 'admin')))
  if (holder) return holder.id
  const [named] = await db.select({ id: users.id }).from(users).where(eq(users.username, ADMIN))
  return named?.id
}

async function createAdmin(db: Database, now: string): Promise<number> {
  const [admin] = await db
    .insert(users)
    .values({ username: ADMIN, role: 'admin', createdAt: now })
    .returning({ id: users.id })
  if (admin === undefined) throw new Error('INSERT … RETURNING gave no row')
  return admin.id
}
