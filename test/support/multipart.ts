import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import { rows } from '../../src/db/database.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import type { TestServer } from './server.ts'

export const BOUNDARY = 'landfall-test-boundary'

/** A part with the headers it is told, well-formed or not. */
export function part(headers: string | string[], body: string | Uint8Array = ''): Buffer {
  const head = [headers].flat().join('\r\n')
  return Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\n${head}\r\n\r\n`),
    Buffer.from(body as string),
    Buffer.from('\r\n'),
  ])
}

export const field = (name: string, value: string | Uint8Array, type?: string) =>
  part(
    [
      `Content-Disposition: form-data; name="${name}"`,
      ...(type === undefined ? [] : [`Content-Type: ${type}`]),
    ],
    value,
  )

export const file = (
  filename: string,
  body: string | Uint8Array,
  { name = 'f', type = 'application/octet-stream' } = {},
) =>
  part(
    [
      `Content-Disposition: form-data; name="${name}"; filename="${filename}"`,
      `Content-Type: ${type}`,
    ],
    body,
  )

export const form = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat([
    ...parts.map((each) => Buffer.from(each as string)),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ])

export const formType = `multipart/form-data; boundary=${BOUNDARY}`

export const formPath = '/api/media/files'

export interface FormClient {
  authorization: string
  post(
    body: string | Uint8Array | ReadableStream,
    headers?: Record<string, string>,
  ): Promise<Response>
}

/** Sends bodies that are forms, or pretend to be. */
export function formClient(server: TestServer, authorization: string): FormClient {
  return {
    authorization,
    post: (body, headers = {}) =>
      fetch(server.url + formPath, {
        method: 'POST',
        body,
        duplex: 'half',
        headers: { Authorization: authorization, 'Content-Type': formType, ...headers },
      }),
  }
}

export async function answerOf(answer: Response): Promise<[status: number, record: MediaRecord]> {
  return [answer.status, (await answer.json()) as MediaRecord]
}

/** The head of a request on a raw connection, up to where the body begins. */
export function formHead(authorization: string | null, ...headers: string[]): string {
  const credentials = authorization === null ? [] : [`Authorization: ${authorization}`]
  const lines = [`POST ${formPath} HTTP/1.1`, 'Host: test', ...credentials, ...headers]
  return [...lines, '', ''].join('\r\n')
}

/** What is in the store and in the database, apart from what has ended properly. */
export async function remains(server: TestServer) {
  const folder = path.join(server.dataDir, 'files')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const open = await rows<{ state: string }>(
    server.database.db,
    sql`select state from uploads where state not in ('promoted', 'terminated', 'rejected')`,
  )
  const media = await rows<{ n: number }>(
    server.database.db,
    sql`select count(*)::int as n from media_files`,
  )
  const [counters] = await rows<{ open: number; used: number }>(
    server.database.db,
    sql`select sum(open_uploads)::int as open, sum(used_bytes)::int as used from users`,
  )
  return {
    files: entries.filter((entry) => entry.isFile()).length,
    open: open.map(({ state }) => state),
    media: media[0]?.n,
    counters,
  }
}
