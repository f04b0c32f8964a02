import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { anonymous } from '../../src/auth/actor.ts'
import { ensureAdmin } from '../../src/auth/ensure-admin.ts'
import { hashKey } from '../../src/auth/key.ts'
import { createTokens, type Tokens } from '../../src/auth/tokens.ts'
import { createUsers, type User, type Users } from '../../src/auth/users.ts'
import type { OpenDatabase } from '../../src/db/database.ts'
import * as schema from '../../src/db/schema.ts'
import { databaseKinds, openTestDatabase } from '../support/database.ts'

const START = Date.parse('2026-03-04T05:06:07.000Z')

describe.each(databaseKinds)('accounts in the %s database', (kind) => {
  let open: OpenDatabase
  let users: Users
  let tokens: Tokens
  let time = START
  const now = () => new Date(time)
  const later = (ms: number) => {
    time += ms
  }

  beforeAll(async () => {
    open = await openTestDatabase(kind)
    users = createUsers({ db: open.db, now })
    tokens = createTokens({ db: open.db, now })
  })
  beforeEach(async () => {
    await open.db.delete(schema.tokens)
    await open.db.delete(schema.users)
    time = START
  })
  afterAll(() => open.close())

  const bob = () => users.create({ username: 'bob', role: 'staff' })
  const refusal = (promise: Promise<unknown>) =>
    promise.then(
      () => 'accepted',
      (error: { reason?: string }) => error.reason,
    )

  describe('a token', () => {
    let user: User
    beforeEach(async () => {
      user = await bob()
    })

    it.each(['Token', 'Bearer', 'token', 'BEARER'])('is known by the scheme %s', async (scheme) => {
      const { key, token } = await tokens.create(user.id, {})
      expect(await tokens.authenticate(`${scheme} ${key}`)).toEqual({
        kind: 'user',
        id: user.id,
        username: 'bob',
        role: 'staff',
        tokenId: token.id,
      })
    })

    it('has at least 128 random bits and is stored as its SHA-256 only', async () => {
      const { key } = await tokens.create(user.id, {})
      expect(Buffer.from(key.replace(/^lf_/, ''), 'base64url').length).toBeGreaterThanOrEqual(16)
      const stored = await open.db.select().from(schema.tokens)
      expect(JSON.stringify(stored)).not.toContain(key)
      expect(stored[0]?.hash).toBe(hashKey(key))
    })

    it('nobody sends is nobody', async () => {
      expect(await tokens.authenticate(undefined)).toBe(anonymous)
      expect(await tokens.authenticate(' ')).toBe(anonymous)
    })

    it.each([
      'Token',
      'Token ',
      'Basic Ym9iOmJvYg==',
      'Token a b',
      'lf_bare',
      `Token ${'x'.repeat(10_000)}`,
      "Token ' or 1=1--",
      'Token caf\u00e9',
    ])('that is malformed or unknown is refused: %.30s', async (header) => {
      expect(await refusal(tokens.authenticate(header))).toBe('token-invalid')
    })

    it('that was revoked is refused from then on, and gone from the list', async () => {
      const { key, token } = await tokens.create(user.id, {})
      const kept = await tokens.create(user.id, {})
      await tokens.revoke(token.id)
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('token-invalid')
      const { count, tokens: listed } = await tokens.list(user.id, { limit: 10, offset: 0 })
      expect([count, listed.map(({ id }) => id)]).toEqual([1, [kept.token.id]])
      expect(await refusal(tokens.revoke(token.id))).toBe('not-found')
    })

    it('with an end is refused when that moment has come', async () => {
      const expiresAt = new Date(START + 60_000).toISOString()
      const { key } = await tokens.create(user.id, { expiresAt })
      later(59_999)
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('accepted')
      later(1)
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('token-invalid')
    })

    it('of a deactivated user is refused, and stays so when they are active again', async () => {
      const { key } = await tokens.create(user.id, {})
      await users.deactivate(user.id)
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('token-invalid')
      expect(await refusal(tokens.create(user.id, {}))).toBe('bad-request')
      await users.patch(user.id, { isActive: true })
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('token-invalid')
    })

    it('of a suspended user is refused until they are active again', async () => {
      const { key } = await tokens.create(user.id, {})
      await users.patch(user.id, { isActive: false })
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('token-invalid')
      await users.patch(user.id, { isActive: true })
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('accepted')
    })

    it('carries the role that its user has now', async () => {
      const { key } = await tokens.create(user.id, {})
      await users.patch(user.id, { role: 'user' })
      expect(await tokens.authenticate(`Token ${key}`)).toMatchObject({ role: 'user' })
    })

    it('notes its last use, at most once a minute', async () => {
      const { key } = await tokens.create(user.id, {})
      const lastLogin = async () => {
        await tokens.settled()
        return Date.parse((await users.get(user.id)).lastLogin ?? '')
      }
      await Promise.all(Array.from({ length: 5 }, () => tokens.authenticate(`Token ${key}`)))
      expect(await lastLogin()).toBe(START)
      later(59_000)
      await tokens.authenticate(`Token ${key}`)
      expect(await lastLogin()).toBe(START)
      later(2_000)
      await tokens.authenticate(`Token ${key}`)
      expect(await lastLogin()).toBe(START + 61_000)
    })
  })

  it('a token that was used a moment ago costs one statement', async () => {
    const user = await bob()
    const { key } = await tokens.create(user.id, {})
    await tokens.authenticate(`Token ${key}`)
    await tokens.settled()
    const begun: (string | symbol)[] = []
    const db = new Proxy(open.db, {
      get(target, name) {
        begun.push(name)
        return Reflect.get(target, name, target)
      },
    })
    await createTokens({ db, now }).authenticate(`Token ${key}`)
    expect(
      begun.filter((name) => /^(?:select|insert|update|delete|execute)$/.test(String(name))),
    ).toEqual(['select'])
  })

  describe('a user', () => {
    it('has a name that nobody else has, two requests at once included', async () => {
      const both = await Promise.all([refusal(bob()), refusal(bob())])
      expect(both.sort()).toEqual(['accepted', 'bad-request'])
      await users.create({ username: 'amy', role: 'user' })
      const amy = (await users.list({ limit: 1, offset: 1 })).users[0]!
      await expect(users.patch(amy.id, { username: 'bob' })).rejects.toMatchObject({
        fields: { username: ['A user with that username already exists.'] },
      })
    })

    it('is listed in order of making, the deactivated too', async () => {
      const first = await bob()
      await users.create({ username: 'amy', role: 'user' })
      await users.deactivate(first.id)
      const { count, users: listed } = await users.list({ limit: 10, offset: 0 })
      expect(count).toBe(2)
      expect(listed.map(({ username, isActive }) => [username, isActive])).toEqual([
        ['bob', false],
        ['amy', true],
      ])
    })

    it('that is unknown is not found', async () => {
      expect(await refusal(users.get(1_000_000))).toBe('not-found')
      expect(await refusal(users.patch(1_000_000, {}))).toBe('not-found')
      expect(await refusal(users.patch(1_000_000, { firstName: 'x' }))).toBe('not-found')
      expect(await refusal(users.deactivate(1_000_000))).toBe('not-found')
      expect(await refusal(tokens.create(1_000_000, {}))).toBe('not-found')
    })
  })

  describe('the first start', () => {
    const start = (adminToken?: string) => ensureAdmin({ db: open.db, now }, { adminToken })
    const key = 'a-key-of-the-operator'

    it('makes an admin and tells the key once', async () => {
      const { printedKey } = await start()
      expect(await tokens.authenticate(`Token ${printedKey}`)).toMatchObject({
        username: 'admin',
        role: 'admin',
      })
      expect(await start()).toEqual({ printedKey: null })
    })

    it('makes no admin where there are users', async () => {
      await bob()
      expect(await start()).toEqual({ printedKey: null })
      expect((await users.list({ limit: 10, offset: 0 })).count).toBe(1)
    })

    it('of two servers at once makes one admin and one key', async () => {
      const keys = await Promise.all([start(), start(), start()])
      expect(keys.filter(({ printedKey }) => printedKey !== null)).toHaveLength(1)
      expect((await users.list({ limit: 10, offset: 0 })).count).toBe(1)
    })

    it('with ADMIN_TOKEN makes that key valid and tells none', async () => {
      const answers = await Promise.all([start(key), start(key)])
      expect(answers).toEqual([{ printedKey: null }, { printedKey: null }])
      expect(await tokens.authenticate(`Token ${key}`)).toMatchObject({ role: 'admin' })
      expect(await open.db.$count(schema.tokens)).toBe(1)
    })

    it('makes the key of ADMIN_TOKEN valid again, whatever was done to it', async () => {
      await start(key)
      const actor = await tokens.authenticate(`Token ${key}`)
      if (actor.kind === 'anonymous') throw new Error('not known')
      await users.deactivate(actor.id)
      await users.patch(actor.id, { role: 'user', username: 'admin' })
      await open.db
        .update(schema.tokens)
        .set({ expiresAt: now().toISOString() })
        .where(eq(schema.tokens.id, actor.tokenId))
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('token-invalid')
      await start(key)
      expect(await tokens.authenticate(`Token ${key}`)).toEqual(actor)
    })

    it('gives ADMIN_TOKEN to no user of a lower role who had that key', async () => {
      const user = await bob()
      await open.db.insert(schema.tokens).values({
        userId: user.id,
        hash: hashKey(key),
        createdAt: now().toISOString(),
      })
      await start(key)
      expect(await tokens.authenticate(`Token ${key}`)).toMatchObject({ username: 'admin' })
      expect((await users.get(user.id)).role).toBe('staff')
    })

    it('stays with an admin who was renamed', async () => {
      await start(key)
      const actor = await tokens.authenticate(`Token ${key}`)
      if (actor.kind === 'anonymous') throw new Error('not known')
      await users.patch(actor.id, { username: 'root' })
      await start(key)
      expect(await tokens.authenticate(`Token ${key}`)).toMatchObject({ username: 'root' })
      expect((await users.list({ limit: 10, offset: 0 })).count).toBe(1)
    })

    it('ends the key that an earlier ADMIN_TOKEN gave, and no other', async () => {
      const { printedKey } = await start()
      await start(key)
      await start('another-key-of-the-operator')
      expect(await refusal(tokens.authenticate(`Token ${key}`))).toBe('token-invalid')
      expect(await refusal(tokens.authenticate('Token another-key-of-the-operator'))).toBe(
        'accepted',
      )
      expect(await refusal(tokens.authenticate(`Token ${printedKey}`))).toBe('accepted')
    })
  })
})
