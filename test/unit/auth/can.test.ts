import { describe, expect, it } from 'vitest'
import { type Actor, anonymous, type Role } from '../../../src/auth/actor.ts'
import { can, type Permission } from '../../../src/auth/can.ts'

const ID = 7
const actor = (role: Role): Actor => ({ kind: 'user', id: ID, username: role, role, tokenId: 1 })

const actors: Record<string, Actor> = {
  anonymous,
  user: actor('user'),
  staff: actor('staff'),
  admin: actor('admin'),
}
const permissions: Record<string, Permission> = {
  'upload:create': { action: 'upload:create' },
  'own upload': { action: 'upload:access', ownerId: ID },
  "another's upload": { action: 'upload:access', ownerId: ID + 1 },
  "nobody's upload": { action: 'upload:access', ownerId: null },
  "another's shared upload": { action: 'upload:access', ownerId: ID + 1, shared: true },
  'own session': { action: 'session:use', ownerId: ID },
  "another's session": { action: 'session:use', ownerId: ID + 1 },
  "nobody's session": { action: 'session:use', ownerId: null },
  'own file': { action: 'media:read', ownerId: ID },
  "another's file": { action: 'media:read', ownerId: ID + 1 },
  "nobody's file": { action: 'media:read', ownerId: null },
  'media:manage': { action: 'media:manage' },
  'accounts:manage': { action: 'accounts:manage' },
  'webhooks:manage': { action: 'webhooks:manage' },
}

/** Who may: without and with ALLOW_ANONYMOUS_UPLOADS. */
const table: [permission: string, closed: string[], open: string[]][] = [
  ['upload:create', ['user', 'staff', 'admin'], ['anonymous', 'user', 'staff', 'admin']],
  ['own upload', ['user', 'staff', 'admin'], ['user', 'staff', 'admin']],
  ["another's upload", ['staff', 'admin'], ['staff', 'admin']],
  ["nobody's upload", ['staff', 'admin'], ['anonymous', 'user', 'staff', 'admin']],
  ["another's shared upload", ['user', 'staff', 'admin'], ['user', 'staff', 'admin']],
  ['own session', ['user', 'staff', 'admin'], ['user', 'staff', 'admin']],
  ["another's session", [], []],
  ["nobody's session", [], ['anonymous']],
  ['own file', ['user', 'staff', 'admin'], ['user', 'staff', 'admin']],
  ["another's file", ['staff', 'admin'], ['staff', 'admin']],
  ["nobody's file", ['staff', 'admin'], ['staff', 'admin']],
  ['media:manage', ['staff', 'admin'], ['staff', 'admin']],
  ['accounts:manage', ['admin'], ['admin']],
  ['webhooks:manage', ['admin'], ['admin']],
]

describe('can', () => {
  it.each(table)('lets only those with the right at %s', (name, closed, open) => {
    const permission = permissions[name]!
    const allowed = (anonymousUploads: boolean) =>
      Object.keys(actors).filter((who) => can(actors[who]!, permission, anonymousUploads))
    expect(allowed(false)).toEqual(closed)
    expect(allowed(true)).toEqual(open)
  })
})
