import type { Database } from '../../src/db/database.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { insertMedia, insertUser } from './media-rows.ts'

export const people = [
  { username: 'bob', firstName: 'Bob', lastName: 'young' },
  { username: 'Alice', firstName: 'alice', lastName: 'Zola', lastLogin: '2026-01-02T00:00:00Z' },
  { username: 'élan', firstName: '', lastName: '', lastLogin: '2026-01-01T00:00:00Z' },
]

const image = { type: 'image', mimeType: 'image/png' }

/** `by` is an index of people. Written so that every ordering differs from the order of the ids. */
export const files: { by?: number; [column: string]: unknown }[] = [
  {
    name: 'Report 2026.pdf',
    type: 'pdf',
    size: 500,
    by: 0,
    createdAt: '2026-03-04T23:59:59.999999Z',
  },
  { name: 'banana.txt', type: 'text', size: 10, by: 1, createdAt: '2026-03-05T00:00:00Z' },
  { ...image, name: 'Äpfel.png', size: 2048, width: 300, height: 200, mode: 'RGBA', by: 2 },
  { ...image, name: 'apple.png', size: 2048, width: 100, height: 900, mode: 'rgb', by: 0 },
  { ...image, name: 'Broken.heic', size: 7, width: null, height: null, mode: null },
  { name: '100%_done\\ok.zip', type: 'compressed', size: 2 ** 40, by: 1 },
  { name: 'o\'brien "quoted" name', type: 'document', size: 1, createdAt: '2025-12-31T22:00:00Z' },
  { name: 'äpfel und birnen', type: 'spreadsheet', size: 99, updatedAt: '2026-06-01T12:00:00.5Z' },
  { name: 'clip.mp4', type: 'video', size: 4096, by: 2, createdAt: '2026-03-04T12:00:00.000001Z' },
  { name: 'clip.mp4', type: 'audio', size: 4096, by: 2, createdAt: '2026-03-04T12:00:00Z' },
  { name: 'x', type: 'presentation', size: 0, by: 0, createdAt: '2024-02-29T10:00:00Z' },
  { name: 'report draft', type: 'other', size: 500, by: 1 },
]

/** Stores the whole table, ids in its order. */
export async function insertLibrary(db: Database): Promise<void> {
  const users = []
  for (const person of people) users.push(await insertUser(db, person))
  for (const [index, { by, ...file }] of files.entries()) {
    const minute = `${10 + ((index * 7) % 50)}`
    const times = { createdAt: `2026-02-01T00:${minute}:00Z` }
    const userId = by === undefined ? null : (users[by]?.id ?? null)
    await insertMedia(db, { ...times, ...file, userId })
  }
}

export type Key = (record: MediaRecord) => string | number | null
const text = (value: string | null | undefined) => value?.toLowerCase() ?? null
const person = (record: MediaRecord) => people.find((p) => p.username === record.user?.username)

/** What each ordering compares, by its name. */
export const keys: Record<string, Key> = {
  id: (r) => r.id,
  type: (r) => text(r.type),
  name: (r) => text(r.name),
  size: (r) => r.size,
  width: (r) => r.width ?? null,
  height: (r) => r.height ?? null,
  mode: (r) => text(r.mode),
  created_at: (r) => micros(r.created_at),
  updated_at: (r) => micros(r.updated_at),
  user__id: (r) => r.user?.id ?? null,
  user__username: (r) => text(r.user?.username),
  user__first_name: (r) => text(person(r)?.firstName),
  user__last_name: (r) => text(person(r)?.lastName),
  user__last_login: (r) => person(r)?.lastLogin ?? null,
}

/** As the list sorts: nulls last both ways, ties by falling id. */
export function sorted(records: MediaRecord[], key: Key, descending: boolean): MediaRecord[] {
  return records.toSorted((left, right) => {
    const [a, b] = [key(left), key(right)]
    const tie = right.id - left.id
    if (a === null || b === null) return Number(a === null) - Number(b === null) || tie
    return (descending ? compare(b, a) : compare(a, b)) || tie
  })
}

export function compare<T extends string | number>(a: T, b: T): number {
  if (typeof a === 'string' && typeof b === 'string')
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}

/** A printed time in a form that sorts, with and without its fraction. */
export function micros(time: string): string {
  return time.replace(/(\.\d+)?Z$/, (_, fraction = '.') => fraction.padEnd(7, '0'))
}
