import { timingSafeEqual } from 'node:crypto'
import { and, asc, count, eq, isNull, lt, or, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { tokens, users } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import { type Actor, anonymous } from './actor.ts'
import { generateKey, hashKey } from './key.ts'

/** A token as the database knows it; the key is not in it. */
export type Token = typeof tokens.$inferSelect

export interface NewToken {
  /** What it is for, in words of its maker. Default `''`. */
  name?: string
  /** ISO 8601; null or left out: never ends. */
  expiresAt?: string | null
}

/** `last_login` is written at most this often per user. */
const LAST_LOGIN_EVERY_MS = 60_000

/**
 * `Token <key>` or `Bearer <key>`, the scheme in any case (RFC 9110 §11.1), the key of visible ASCII.
 * The bound is far above any key of ours and keeps hashing cheap.
 */
const CREDENTIALS = /^(?:token|bearer) +([!-~]{1,512})$/i

export interface Tokens {
  /**
   * Who sends this Authorization header: anonymous where there is none, `token-invalid` for one
   * that is malformed, unknown, revoked, ended or belongs to a deactivated user: a caller cannot
   * tell which. One statement.
   */
  authenticate(header: string | undefined): Promise<Actor>
  /** Makes a token. The key is in this answer and nowhere else. `bad-request`: user deactivated. */
  create(userId: number, input: NewToken): Promise<{ key: string; token: Token }>
  /** A user's tokens that were not revoked, in order of making. */
  list(
    userId: number,
    page: { limit: number; offset: number },
  ): Promise<{ count: number; tokens: Token[] }>
  /** Ends a token from the next request on; `not-found` when there is none or it was revoked. */
  revoke(id: number): Promise<void>
  /** Resolves when no `last_login` is being written any more: before the database is closed. */
  settled(): Promise<void>
}

export function createTokens(deps: { db: Database; now: () => Date }): Tokens {
  const { db, now } = deps
  /** One write per user at a time, however many requests come in the same moment. */
  const logins = new Map<number, Promise<void>>()

  /** Each request runs it: its text is made once, and Postgres parses it once per connection. */
  const byHash = db
    .select({
      id: users.id,
      username: users.username,
      role: users.role,
      tokenId: tokens.id,
      hash: tokens.hash,
      usable: sql<boolean>`${users.isActive} and ${tokens.revokedAt} is null
        and coalesce(${tokens.expiresAt} > ${sql.placeholder('at')}::timestamptz, true)`,
      loginDue: sql<boolean>`coalesce(${users.lastLogin} < ${sql.placeholder('due')}::timestamptz, true)`,
    })
    .from(tokens)
    .innerJoin(users, eq(users.id, tokens.userId))
    .where(eq(tokens.hash, sql.placeholder('hash')))
    .prepare('token')

  async function authenticate(header: string | undefined): Promise<Actor> {
    if (header === undefined || header.trim() === '') return anonymous
    const key = CREDENTIALS.exec(header.trim())?.[1]
    if (key === undefined) throw new Fault('token-invalid')
    const at = now()
    const due = new Date(at.getTime() - LAST_LOGIN_EVERY_MS).toISOString()
    const hash = hashKey(key)
    const [found] = await withRetry(() => byHash.execute({ hash, at: at.toISOString(), due }))
    // The index is searched by a hash, which tells a guesser nothing about the key; what was found
    // is compared in constant time all the same.
    if (!found?.usable || !timingSafeEqual(Buffer.from(found.hash), Buffer.from(hash))) {
      throw new Fault('token-invalid')
    }
    if (found.loginDue) noteLogin(found.id, at.toISOString(), due)
    const { id, username, role, tokenId } = found
    return { kind: 'user', id, username, role, tokenId }
  }

  /** Beside the request, not in its way; that one such note is lost is no reason to fail anything. */
  function noteLogin(userId: number, at: string, due: string): void {
    if (logins.has(userId)) return
    const written = db
      .update(users)
      .set({ lastLogin: at })
      .where(and(eq(users.id, userId), or(isNull(users.lastLogin), lt(users.lastLogin, due))))
      .then(
        () => {},
        () => {},
      )
      .finally(() => logins.delete(userId))
    logins.set(userId, written)
  }

  async function create(userId: number, input: NewToken): Promise<{ key: string; token: Token }> {
    const [user] = await withRetry(() =>
      db.select({ isActive: users.isActive }).from(users).where(eq(users.id, userId)),
    )
    if (user === undefined) throw new Fault('not-found')
    if (!user.isActive) throw new Fault('bad-request', { text: 'This user is deactivated.' })
    const key = generateKey()
    const values = {
      userId,
      hash: hashKey(key),
      name: input.name ?? '',
      createdAt: now().toISOString(),
      expiresAt: input.expiresAt ?? null,
    }
    const [token] = await db.insert(tokens).values(values).returning()
    if (token === undefined) throw new Error('INSERT … RETURNING gave no row')
    return { key, token }
  }

  async function list(
    userId: number,
    page: { limit: number; offset: number },
  ): Promise<{ count: number; tokens: Token[] }> {
    const own = and(eq(tokens.userId, userId), isNull(tokens.revokedAt))
    const [total] = await withRetry(() => db.select({ count: count() }).from(tokens).where(own))
    const found = await withRetry(() =>
      db
        .select()
        .from(tokens)
        .where(own)
        .orderBy(asc(tokens.id))
        .limit(page.limit)
        .offset(page.offset),
    )
    return { count: total?.count ?? 0, tokens: found }
  }

  async function revoke(id: number): Promise<void> {
    const revoked = await db
      .update(tokens)
      .set({ revokedAt: now().toISOString() })
      .where(and(eq(tokens.id, id), isNull(tokens.revokedAt)))
      .returning({ id: tokens.id })
    if (revoked.length === 0) throw new Fault('not-found')
  }

  async function settled(): Promise<void> {
    await Promise.all(logins.values())
  }

  return { authenticate, create, list, revoke, settled }
}
