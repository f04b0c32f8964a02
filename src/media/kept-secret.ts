import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { secrets } from '../db/schema.ts'

const NAME = 'media links'

/**
 * The secret of this database that signs media URLs: 256 random bits, made by whichever server asks
 * first, and the same for all of them and after every start.
 */
export async function keptSecret(db: Database, now: () => Date): Promise<Buffer> {
  const made = randomBytes(32).toString('base64url')
  return withRetry(async () => {
    const createdAt = now().toISOString()
    await db
      .insert(secrets)
      .values({ name: NAME, value: made, createdAt })
      .onConflictDoNothing({ target: secrets.name })
    const [kept] = await db
      .select({ value: secrets.value })
      .from(secrets)
      .where(eq(secrets.name, NAME))
    if (kept === undefined) throw new Error('a secret that was just written is not there')
    return Buffer.from(kept.value)
  })
}
