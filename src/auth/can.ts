import type { Actor } from './actor.ts'

/**
 * - `upload:create`: begin an upload at any door.
 * - `upload:access`: read, resume or terminate one upload; `shared` where a door lets every user
 *   reach every upload of its own.
 * - `session:use`: list, fill and submit an upload session; whoever may reach its files may not.
 * - `media:read`: the bytes of a media file where MEDIA_ACCESS is private.
 * - `media:manage`: everything of the media API.
 * - `accounts:manage`: users and tokens.
 * - `webhooks:manage`: the log of webhooks, tests and repeats.
 */
export type Permission =
  | { action: 'upload:create' }
  | { action: 'upload:access'; ownerId: number | null; shared?: boolean }
  | { action: 'session:use'; ownerId: number | null }
  | { action: 'media:read'; ownerId: number | null }
  | { action: 'media:manage' }
  | { action: 'accounts:manage' }
  | { action: 'webhooks:manage' }

/**
 * The one place that decides who may do what. Pure.
 *
 * @param anonymousUploads ALLOW_ANONYMOUS_UPLOADS: whoever knows the id of an upload that belongs to
 * nobody may go on with it.
 */
export function can(actor: Actor, permission: Permission, anonymousUploads: boolean): boolean {
  switch (permission.action) {
    case 'upload:create':
      return actor.kind === 'user' || anonymousUploads
    case 'upload:access':
      if (permission.ownerId === null && anonymousUploads) return true
      if (actor.kind === 'anonymous') return false
      if (permission.shared) return true
      return actor.role !== 'user' || actor.id === permission.ownerId
    case 'session:use':
      if (actor.kind === 'anonymous') return permission.ownerId === null && anonymousUploads
      return actor.id === permission.ownerId
    // What nobody owns is for those who manage all of it: "private" asks for a token.
    case 'media:read':
      return actor.kind === 'user' && (actor.role !== 'user' || actor.id === permission.ownerId)
    case 'media:manage':
      return actor.kind === 'user' && actor.role !== 'user'
    case 'accounts:manage':
    case 'webhooks:manage':
      return actor.kind === 'user' && actor.role === 'admin'
  }
}
