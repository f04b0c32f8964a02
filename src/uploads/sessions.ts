import { and, asc, count, desc, eq, gt, inArray } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { uploadSessions, uploads, users } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { SessionLimits } from './session-rules.ts'
import type { Upload } from './upload.ts'

/** A session as the database knows it. */
export type Session = typeof uploadSessions.$inferSelect

/** States in which a file has its name in a session. */
export const liveStates = ['creating', 'receiving', 'complete', 'held', 'promoted'] as const

/** The door whose files come as forms. */
export const SESSION_DOOR = 'session'

/** Rows of the list of sessions: a bound, not a page. */
const MAX_LISTED = 1000

const TOKEN_LENGTH = 32
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export interface SessionsDeps {
  db: Database
  limits: SessionLimits
  now: () => Date
  /** Cryptographically random bytes. */
  random: (length: number) => Uint8Array
}

/** Whether files can be added. Between the end of its time and the next sweep it is over too. */
export function isOpenSession({ status, expiresAt }: Session, now: Date): boolean {
  return (status === 'created' || status === 'uploading') && new Date(expiresAt) > now
}

/** What is no token need not be looked for, and Postgres would refuse to. */
export function isSessionToken(text: string): boolean {
  return text.length === TOKEN_LENGTH && /^[A-Za-z0-9]+$/.test(text)
}

/** Upload sessions: groups of files that become media files together. */
export function createSessions({ db, limits, now, random }: SessionsDeps) {
  /** A token of 190 random bits: letters and digits, each as likely as the others. */
  function newToken(): string {
    let token = ''
    while (token.length < TOKEN_LENGTH) {
      for (const byte of random(TOKEN_LENGTH)) {
        // 248 is the last multiple of 62 in a byte.
        if (byte < 248 && token.length < TOKEN_LENGTH) token += ALPHABET[byte % 62]
      }
    }
    return token
  }

  /** @throws Fault `bad-request` where the user has too many open sessions. */
  async function create(userId: number | null): Promise<Session> {
    const time = now()
    const session: Session = {
      token: newToken(),
      userId,
      status: 'created',
      fileCount: 0,
      totalSize: 0,
      createdAt: time.toISOString(),
      updatedAt: time.toISOString(),
      expiresAt: new Date(time.getTime() + limits.expiresAfterMs).toISOString(),
    }
    await withRetry(() =>
      db.transaction(async (tx) => {
        if (userId !== null) {
          // Sessions of one user are made one after the other, so that each sees those before it.
          await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('update')
          if ((await countOpen(tx, userId, session.createdAt)) >= limits.maxOpen)
            throw new Fault('bad-request', {
              text:
                `You have ${limits.maxOpen} open upload sessions, which is the limit: submit ` +
                'one first, or let it expire.',
            })
        }
        await tx.insert(uploadSessions).values(session).onConflictDoNothing()
      }),
    )
    return session
  }

  async function countOpen(tx: Database, userId: number, time: string): Promise<number> {
    const [counted] = await tx
      .select({ open: count() })
      .from(uploadSessions)
      .where(
        and(
          eq(uploadSessions.userId, userId),
          inArray(uploadSessions.status, ['created', 'uploading']),
          gt(uploadSessions.expiresAt, time),
        ),
      )
    return counted?.open ?? 0
  }

  /** The user's own, newest first. Nobody has none. */
  async function list(userId: number | null): Promise<Session[]> {
    if (userId === null) return []
    return withRetry(() =>
      db
        .select()
        .from(uploadSessions)
        .where(eq(uploadSessions.userId, userId))
        .orderBy(desc(uploadSessions.createdAt), asc(uploadSessions.token))
        .limit(MAX_LISTED),
    )
  }

  async function find(token: string): Promise<Session | undefined> {
    if (!isSessionToken(token)) return undefined
    const [found] = await withRetry(() =>
      db.select().from(uploadSessions).where(eq(uploadSessions.token, token)),
    )
    return found
  }

  /** Its files in upload order, unfinished ones included. */
  async function files(token: string): Promise<Upload[]> {
    return withRetry(() =>
      db
        .select()
        .from(uploads)
        .where(and(eq(uploads.sessionToken, token), inArray(uploads.state, [...liveStates])))
        .orderBy(asc(uploads.createdAt), asc(uploads.id)),
    )
  }

  /** The file of exactly this name, unfinished or not. */
  async function file(token: string, filename: string): Promise<Upload | undefined> {
    // No name that is stored has these, and Postgres has no text with them.
    if (filename.includes('\0') || !filename.isWellFormed()) return undefined
    const [found] = await withRetry(() =>
      db
        .select()
        .from(uploads)
        .where(
          and(
            eq(uploads.sessionToken, token),
            eq(uploads.filename, filename),
            inArray(uploads.state, [...liveStates]),
          ),
        ),
    )
    return found
  }

  return { create, list, find, files, file }
}

export type Sessions = ReturnType<typeof createSessions>
