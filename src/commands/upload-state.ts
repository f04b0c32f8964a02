import { createHash } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import type { Environment } from '../config.ts'
import type { LocalFile } from './upload-files.ts'

/**
 * Which uploads were begun and not cleared away, so that the same command goes on with them. One
 * small file for each, so that commands that run at the same time do not overwrite what others know.
 */
export interface UploadState {
  /** URL of the upload that was begun for this file; null where there is none. */
  find(file: LocalFile): string | null
  /** Kept before this returns: bytes are sent only to an upload that can be found again. */
  keep(file: LocalFile, uploadUrl: string): void
  forget(file: LocalFile): void
}

/** A server forgets an upload that has ended after 30 days. */
const KEPT_MS = 30 * 86_400_000

/** In `XDG_STATE_HOME`, or `~/.local/state` (XDG Base Directory Specification). */
export function stateFolder(env: Environment): string {
  const base = env.XDG_STATE_HOME
  const home = env.HOME || homedir()
  // "All paths … must be absolute. If an implementation encounters a relative path … ignore it."
  const folder = base && path.isAbsolute(base) ? base : path.join(home, '.local', 'state')
  return path.join(folder, 'landfall', 'uploads')
}

/** What an upload is given when it is begun, and cannot be changed when it goes on. */
interface Given {
  name?: string | undefined
  description?: string | undefined
}

/**
 * A file is known by where it goes, where it is, its size and its last change, and by what it was
 * given: who runs the command again with another name means another upload.
 */
export function openUploadState(
  folder: string,
  server: string,
  { name, description }: Given = {},
): UploadState {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  removeOld(folder)

  function placeOf({ path: file, size, mtimeMs }: LocalFile): string {
    const key = JSON.stringify([server, file, size, mtimeMs, name, description])
    return path.join(folder, `${createHash('sha256').update(key).digest('hex')}.json`)
  }

  return {
    find(file) {
      try {
        const { uploadUrl } = JSON.parse(readFileSync(placeOf(file), 'utf8'))
        return typeof uploadUrl === 'string' && URL.canParse(uploadUrl) ? uploadUrl : null
      } catch {
        return null
      }
    },
    keep(file, uploadUrl) {
      const place = placeOf(file)
      const draft = `${place}.${process.pid}`
      const text = JSON.stringify({ uploadUrl, server, path: file.path })
      writeFileSync(draft, `${text}\n`, { mode: 0o600 })
      renameSync(draft, place)
    },
    forget: (file) => rmSync(placeOf(file), { force: true }),
  }
}

function removeOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const place = path.join(folder, name)
    try {
      if (Date.now() - statSync(place).mtimeMs > KEPT_MS) rmSync(place, { force: true })
    } catch {
      // Another command has removed it in this moment.
    }
  }
}
