import { type Context, Hono } from 'hono'
import { fullNameOf } from '../auth/full-name.ts'
import type { Token, Tokens } from '../auth/tokens.ts'
import type { User, Users } from '../auth/users.ts'
import { Fault } from '../errors.ts'
import type { Env } from '../protocols/env.ts'
import { toIsoMicros } from '../wire/time.ts'
import { parseNewToken, parseNewUser, parseUserChanges } from './account-input.ts'
import { authenticate, requireAuthenticated, requirePermission } from './authenticate.ts'
import { readJsonObject } from './json-body.ts'
import { methods } from './methods.ts'
import { answerPage } from './page.ts'

export interface AccountDeps {
  users: Users
  tokens: Tokens
  /** Scheme and host for the links between pages, without a slash at the end. */
  originOf: (c: Context<Env>) => string
}

/** `/api/users…` and `/api/tokens/{id}` for admins, `/api/me` for any token. To be mounted at `/`. */
export function accountRoutes(deps: AccountDeps): Hono<Env> {
  const { users, tokens } = deps
  const app = new Hono<Env>({ strict: false })
  const identify = authenticate(tokens)
  const admin = requirePermission({ action: 'accounts:manage' })
  app.use('/api/users/*', identify, admin, neverCached)
  app.use('/api/tokens/*', identify, admin, neverCached)
  app.use('/api/me', identify, requireAuthenticated, neverCached)

  app.all(
    '/api/users',
    methods({
      GET: (c) =>
        answerPage(c, deps.originOf(c), userJson, async (slice) => {
          const { count, users: items } = await users.list(slice)
          return { count, items }
        }),
      POST: async (c) =>
        c.json(userJson(await users.create(parseNewUser(await readJsonObject(c)))), 201),
    }),
  )
  app.all(
    '/api/users/:id',
    methods({
      GET: async (c) => c.json(userJson(await users.get(idOf(c)))),
      async PATCH(c) {
        const id = idOf(c)
        const changes = parseUserChanges(await readJsonObject(c))
        const loses = changes.isActive === false || (changes.role ?? 'admin') !== 'admin'
        if (loses) refuseOneself(c, id)
        return c.json(userJson(await users.patch(id, changes)))
      },
      async DELETE(c) {
        const id = idOf(c)
        refuseOneself(c, id)
        await users.deactivate(id)
        return c.body(null, 204)
      },
    }),
  )
  app.all(
    '/api/users/:id/tokens',
    methods({
      async GET(c) {
        const { id } = await users.get(idOf(c))
        return answerPage(c, deps.originOf(c), tokenJson, async (slice) => {
          const { count, tokens: items } = await tokens.list(id, slice)
          return { count, items }
        })
      },
      async POST(c) {
        const id = idOf(c)
        const { key, token } = await tokens.create(id, parseNewToken(await readJsonObject(c)))
        const { id: tokenId, ...rest } = tokenJson(token)
        return c.json({ id: tokenId, key, ...rest }, 201)
      },
    }),
  )
  app.all(
    '/api/tokens/:id',
    methods({
      async DELETE(c) {
        await tokens.revoke(idOf(c))
        return c.body(null, 204)
      },
    }),
  )
  app.all('/api/me', methods({ GET: async (c) => c.json(userJson(await users.get(ownId(c)))) }))
  return app
}

async function neverCached(c: Context<Env>, next: () => Promise<void>): Promise<void> {
  c.header('Cache-Control', 'no-store')
  await next()
}

/** The number in the path, of the size that the column has; any other text names nobody. */
function idOf(c: Context<Env>): number {
  const text = c.req.param('id') ?? ''
  const id = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0
  if (id < 1 || id > 2_147_483_647) throw new Fault('not-found')
  return id
}

function ownId(c: Context<Env>): number {
  const { actor } = c.var
  if (actor.kind === 'anonymous') throw new Fault('not-authenticated')
  return actor.id
}

/** There is always one admin left: whoever asks. */
function refuseOneself(c: Context<Env>, id: number): void {
  if (id !== ownId(c)) return
  const text = 'You cannot deactivate yourself or give up your own admin role.'
  throw new Fault('bad-request', { text })
}

function userJson(user: User) {
  return {
    id: user.id,
    username: user.username,
    first_name: user.firstName,
    last_name: user.lastName,
    full_name: fullNameOf(user),
    role: user.role,
    is_active: user.isActive,
    last_login: user.lastLogin === null ? null : toIsoMicros(user.lastLogin),
    created_at: toIsoMicros(user.createdAt),
  }
}

function tokenJson(token: Token) {
  return {
    id: token.id,
    name: token.name,
    created_at: toIsoMicros(token.createdAt),
    expires_at: token.expiresAt === null ? null : toIsoMicros(token.expiresAt),
  }
}
