import { sql } from 'drizzle-orm'
import { rows } from '../../src/db/database.ts'
import { file, form, formType } from './multipart.ts'
import type { TestServer } from './server.ts'

/** Bytes of a PDF, as far as its type needs them. */
export const pdf = (text = '') => Buffer.from(`%PDF-1.7\n${text}\n%%EOF\n`)

export interface ListedFile {
  name: string
  size: number
  url: string
}

export interface SessionAnswer {
  status: number
  body: Record<string, unknown>
  headers: Headers
}

export interface SessionClient {
  authorization: string
  /** Any request below `/upload-session`. */
  call(method: string, path: string, options?: RequestInit): Promise<Response>
  json(method: string, path: string, options?: RequestInit): Promise<SessionAnswer>
  /** A new session's token. */
  open(): Promise<string>
  add(token: string, name: string, bytes: string | Uint8Array): Promise<SessionAnswer>
  names(token: string): Promise<string[]>
}

/** A client of the session door with one token; null: with none. */
export function sessionClient(url: string, authorization: string | null): SessionClient {
  const call: SessionClient['call'] = (method, path, { headers, ...options } = {}) =>
    fetch(`${url}/upload-session${path}`, {
      method,
      ...options,
      headers: {
        ...(authorization && { Authorization: authorization }),
        ...Object.fromEntries(new Headers(headers)),
      },
    } as RequestInit)
  const json: SessionClient['json'] = async (method, path, options) => {
    const answer = await call(method, path, options)
    return {
      status: answer.status,
      headers: answer.headers,
      body: JSON.parse((await answer.text()) || 'null'),
    }
  }
  return {
    authorization: authorization ?? '',
    call,
    json,
    async open() {
      const { status, body } = await json('POST', '/')
      if (status !== 201) throw new Error(`no session: ${status} ${JSON.stringify(body)}`)
      return body.uploadSessionToken as string
    },
    add: (token, name, bytes) =>
      json('POST', `/${token}/files/`, {
        body: form(file(name, bytes, { name: 'file' })),
        headers: { 'Content-Type': formType },
      }),
    async names(token) {
      const { body } = await json('GET', `/${token}/files/`)
      return (body.files as ListedFile[]).map(({ name }) => name)
    },
  }
}

/** A client of a user of its own. */
export async function userOf(server: TestServer): Promise<SessionClient> {
  return sessionClient(server.url, (await server.accounts.add('user')).authorization)
}

/** What the database counts of a session, and what it should: they never differ. */
export async function counted(server: TestServer, token: string) {
  const [found] = await rows<{ status: string; files: number; bytes: number; agrees: boolean }>(
    server.database.db,
    sql`select status, file_count as files, total_size::int as bytes,
      file_count = (select count(*) from uploads where session_token = token
        and state in ('creating', 'receiving', 'complete', 'held', 'promoted'))
      and total_size = (select coalesce(sum(reserved), 0) from uploads where session_token = token
        and state in ('creating', 'receiving', 'complete', 'held', 'promoted')) as agrees
    from upload_sessions where token = ${token}`,
  )
  if (found === undefined) throw new Error('no such session')
  if (!found.agrees) throw new Error(`the counters are wrong: ${JSON.stringify(found)}`)
  const { status, files, bytes } = found
  return { status, files, bytes }
}
