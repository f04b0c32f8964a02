import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import { rows } from '../../src/db/database.ts'
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
