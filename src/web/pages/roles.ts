import type { Role } from '../../client/client.ts'

/** Every role with what it may do. */
export const roles: readonly [Role, string][] = [
  ['user', 'User: uploads'],
  ['staff', 'Staff: also the library'],
  ['admin', 'Admin: also accounts'],
]
