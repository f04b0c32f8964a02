import type { Kind } from './config-values.ts'
import * as kinds from './config-values.ts'
import type { VariableName } from './config-variables.ts'
import { type MediaAccessMode, mediaAccesses } from './media/access.ts'
import type { ServeWith } from './media/hand-over.ts'

/** Who may read the bytes of media files, and who sends them. */
export interface MediaSettings {
  readonly mediaAccess: MediaAccessMode
  /** The first one signs, the others are still accepted; null: the one that the database keeps. */
  readonly mediaSecrets: readonly [Buffer, ...Buffer[]] | null
  readonly mediaLinkExpiresMs: number
  readonly serveWith: ServeWith
}

/** What of the reader of settings is needed here. */
interface Reader {
  given<T>(name: VariableName, kind: Kind<T>): T | undefined
  read<T>(name: VariableName, kind: Kind<T>): T
  problems: string[]
}

export function mediaOf(reader: Reader): MediaSettings {
  const { given, read, problems } = reader
  const settings = {
    mediaAccess: read('MEDIA_ACCESS', kinds.oneOf(mediaAccesses)),
    mediaSecrets: given('MEDIA_SECRET', kinds.mediaSecrets) ?? null,
    mediaLinkExpiresMs: read('MEDIA_LINK_EXPIRES', kinds.duration('5s', '365d')),
    serveWith: serveWithOf(reader),
  }
  const { mediaAccess, serveWith } = settings
  // The place that a redirect names asks nobody for a token and knows no end.
  if (mediaAccess !== 'public' && serveWith.by === 'redirect')
    problems.push(
      `SERVE_WITH: redirect would show everybody who is let in a public URL, for ever, which ` +
        `MEDIA_ACCESS=${mediaAccess} is there to prevent; give node or x-accel-redirect`,
    )
  return settings
}

function serveWithOf({ given, read, problems }: Reader): ServeWith {
  const by = read('SERVE_WITH', kinds.oneOf(['node', 'redirect', 'x-accel-redirect']))
  const before = problems.length
  const mediaUrl = given('MEDIA_URL', kinds.baseUrl)
  const prefix = read('X_ACCEL_PREFIX', kinds.pathPrefix)
  if (by === 'node') return { by }
  if (by === 'x-accel-redirect') return { by, prefix }
  if (mediaUrl === undefined && problems.length === before)
    problems.push('MEDIA_URL: not set; SERVE_WITH=redirect sends clients there')
  return { by, mediaUrl: mediaUrl ?? '' }
}
