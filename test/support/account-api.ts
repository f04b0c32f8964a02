import { createTokens } from '../../src/auth/tokens.ts'
import { createUsers, type Users } from '../../src/auth/users.ts'
import type { Database, OpenDatabase } from '../../src/db/database.ts'
import * as schema from '../../src/db/schema.ts'
import { accountRoutes } from '../../src/http/accounts.ts'
import { createApp } from '../../src/http/app.ts'
import { requestLog } from '../../src/http/request-log.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { openTestDatabase } from './database.ts'

/** Every field that an answer of the account paths can have. */
interface AnswerJson {
  id: number
  key: string
  detail: string
  expires_at: string[]
  next: string | null
  previous: string | null
  results: { id: number; username: string }[]
}

export interface Answer {
  status: number
  headers: Headers
  json: AnswerJson
}

export interface AskOptions {
  /** An object, or text to be sent as it is. */
  body?: unknown
  /** Default: the key of the admin. Null: none. */
  key?: string | null
  headers?: Record<string, string>
}

export interface AccountApi {
  db: Database
  users: Users
  app: ReturnType<typeof createApp>
  adminId: number
  adminKey: string
  staffKey: string
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>
}

const now = () => new Date('2026-03-04T05:06:07.120Z')
const log = createLog({ level: 'silent' })

export const openAccountDatabase = (): Promise<OpenDatabase> => openTestDatabase('embedded')

/** The account paths over a database that holds an `admin` and a `staff` and nobody else. */
export async function createAccountApi({ db }: OpenDatabase): Promise<AccountApi> {
  await db.delete(schema.tokens)
  await db.delete(schema.users)
  const users = createUsers({ db, now })
  const tokens = createTokens({ db, now })
  const routes = accountRoutes({ users, tokens, originOf: () => 'https://files.example' })
  const app = createApp({
    log,
    corsOrigins: '*',
    requestLog: requestLog({ log, metrics: { requestDone: () => {} } }),
    mounts: [['/', routes]],
    ownOptions: [],
  })
  const admin = await users.create({ username: 'admin', role: 'admin' })
  const staff = await users.create({ username: 'staff', role: 'staff' })
  const adminKey = (await tokens.create(admin.id, {})).key
  const staffKey = (await tokens.create(staff.id, {})).key

  async function ask(method: string, path: string, options: AskOptions = {}): Promise<Answer> {
    const { body, key = adminKey, headers = {} } = options
    const json: Record<string, string> =
      body === undefined ? {} : { 'Content-Type': 'application/json' }
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const response = await app.request(path, {
      method,
      headers: { ...json, ...(key === null ? {} : { Authorization: `Token ${key}` }), ...headers },
      ...(body === undefined ? {} : { body: text }),
    })
    const answer = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      json: answer === '' ? null : JSON.parse(answer),
    }
  }

  return { db, users, app, adminId: admin.id, adminKey, staffKey, ask }
}
