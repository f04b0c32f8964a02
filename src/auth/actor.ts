export const roles = ['user', 'staff', 'admin'] as const
export type Role = (typeof roles)[number]

/** Who makes a request. Null-object for nobody: anonymous is an actor too. */
export type Actor =
  /** `address`: the network that the request came from, to count by. */
  | { kind: 'anonymous'; address?: string }
  | { kind: 'user'; id: number; username: string; role: Role; tokenId: number }

export const anonymous: Actor = { kind: 'anonymous' }

/** The id that uploads and media files made by this actor belong to; null for nobody. */
export function ownerIdOf(actor: Actor): number | null {
  return actor.kind === 'user' ? actor.id : null
}
