import type { Context, MiddlewareHandler } from 'hono'
import { type Actor, anonymous } from '../auth/actor.ts'
import { can, type Permission } from '../auth/can.ts'
import type { Tokens } from '../auth/tokens.ts'
import { Fault } from '../errors.ts'
import type { Env } from '../protocols/env.ts'

/**
 * Finds out who asks, from the Authorization header, before anything of the body is read. A bad
 * token is refused here; none at all is anonymous, and what that may do is decided by `can`.
 *
 * @param networkOf where a request came from, to count what anonymous ones do. Default: all from
 * one place.
 */
export function authenticate(
  tokens: Pick<Tokens, 'authenticate'>,
  networkOf?: (c: Context<Env>) => string,
): MiddlewareHandler<Env> {
  return async function authenticate(c, next) {
    // Mounted twice on one path, it still asks the database once.
    if ((c.var.actor as Actor | undefined) !== undefined) return next()
    // OPTIONS tells what the server can do and changes nothing; a preflight cannot carry a token.
    const header = c.req.method === 'OPTIONS' ? undefined : c.req.header('authorization')
    const actor = header === undefined ? anonymous : await tokens.authenticate(header)
    const counted = actor.kind === 'anonymous' && networkOf !== undefined
    c.set('actor', counted ? { ...actor, address: networkOf(c) } : actor)
    await next()
  }
}

/** Lets through whoever sent a valid token, and OPTIONS. */
export const requireAuthenticated: MiddlewareHandler<Env> = async (c, next) => {
  if (c.var.actor.kind === 'anonymous' && c.req.method !== 'OPTIONS')
    throw new Fault('not-authenticated')
  await next()
}

/**
 * Lets through whoever may do this, and OPTIONS; for permissions that do not depend on what is
 * asked for.
 */
export function requirePermission(
  permission: Permission,
  anonymousUploads = false,
): MiddlewareHandler<Env> {
  return async function requirePermission(c, next) {
    const { actor } = c.var
    if (c.req.method !== 'OPTIONS' && !can(actor, permission, anonymousUploads)) {
      throw new Fault(actor.kind === 'anonymous' ? 'not-authenticated' : 'not-allowed')
    }
    await next()
  }
}
