import type { Database } from '../db/database.ts'
import { createMediaAccess, type MediaAccess, type MediaAccessMode } from './access.ts'
import { keptSecret } from './kept-secret.ts'
import { createLinks } from './links.ts'

export interface OpenAccessDeps {
  mode: MediaAccessMode
  /** The first one signs, the others are still accepted; null: the one that the database keeps. */
  secrets: readonly [Buffer, ...Buffer[]] | null
  linkExpiresMs: number
  db: Database
  now: () => Date
}

/** Who may read media files, with the secret that signs their URLs where the mode has any signed. */
export async function openMediaAccess(deps: OpenAccessDeps): Promise<MediaAccess> {
  const { mode, linkExpiresMs, db, now } = deps
  if (mode === 'public') return createMediaAccess({ mode, links: null, linkExpiresMs, now })
  const secrets = deps.secrets ?? ([await keptSecret(db, now)] as const)
  return createMediaAccess({ mode, links: createLinks(secrets), linkExpiresMs, now })
}
