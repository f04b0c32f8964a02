import { createHash } from 'node:crypto'
import type { Role } from '../auth/actor.ts'
import type { ExistingUser } from '../auth/import-users.ts'
import { parseInstant } from '../wire/time.ts'

/** Where files come from: CSV files or the database of a Django project. */
export interface ImportSource {
  /** Files that will come, the bad ones included. */
  total: number
  /** Uploads that were never finished: not imported, and no failure. */
  unfinished: number
  /** To be read to the end before the files. */
  users: AsyncIterable<ExistingUser>
  files: AsyncIterable<SourceFile | BadRow>
}

/** A file as the source has it. */
export interface SourceFile {
  /** Where in the source: a line, an id. */
  at: string
  /** The upload's id, where the source has one. */
  id: string | null
  /** Below the media folder. */
  path: string
  name: string
  description: string
  /** Null: nobody's. */
  username: string | null
  createdAt: string
  updatedAt: string
  size: number | null
  sha256: string | null
}

/** What cannot be read as a file. */
export interface BadRow {
  at: string
  path: string
  problem: string
}

/** A time of the source in one form, to the microsecond; null where it is none. */
export function timeOf(text: string): string | null {
  const time = parseInstant(text.trim())
  return time === null || time.endsWith('infinity') ? null : time
}

export function roleOf(user: { isSuperuser: boolean; isStaff: boolean }): Role {
  if (user.isSuperuser) return 'admin'
  return user.isStaff ? 'staff' : 'user'
}

/** A UUID in the form that ids of uploads have, of any of its spellings; null where it is none. */
export function uuidOf(text: string): string | null {
  const hex = text.trim().toLowerCase().replaceAll('-', '')
  return /^[\da-f]{32}$/.test(hex) ? dashed(hex) : null
}

/** Made up once; another one would let every file be imported again. */
const NAMESPACE = Buffer.from('9f0c4f0be8c54e6b9a2b6d2e7d3f5a10', 'hex')

/**
 * The id of a file that brings none: a UUID of version 5 (RFC 9562 §5.5) of its path, so that it is
 * the same in every run.
 *
 * @param path below the media folder, with slashes
 */
export function idOfPath(path: string): string {
  const hash = createHash('sha1').update(NAMESPACE).update(path).digest().subarray(0, 16)
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  return dashed(hash.toString('hex'))
}

function dashed(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
