import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'

/** One operation on files below a folder, as the server asks the system for it. */
export interface DiskCall {
  name: PathCall | HandleCall | 'open'
  /** For calls on an open file: the path that it was opened by. */
  path: string
  /** The handle that `open` gave; undefined for calls by path, and before `open` is done. */
  handle?: FileHandle
  args: readonly unknown[]
}

export type Around = (call: DiskCall, run: () => Promise<unknown>) => Promise<unknown>

const PATH_CALLS = [
  'mkdir',
  'readdir',
  'rename',
  'rm',
  'stat',
  'link',
  'realpath',
  'access',
] as const
const HANDLE_CALLS = [
  'stat',
  'truncate',
  'writev',
  'writeFile',
  'datasync',
  'sync',
  'read',
  'close',
] as const
type PathCall = (typeof PATH_CALLS)[number]
type HandleCall = (typeof HANDLE_CALLS)[number]

/**
 * Puts `around` between this process and the system for every operation on files below `folder`,
 * whoever asks: it may let the call run, before or after whatever it does, or fail in its place.
 *
 * @returns takes it away again. Files that are open by then keep it.
 */
export function interceptDisk(folder: string, around: Around): () => void {
  const { promises } = fs
  const originals = { open: promises.open } as Record<string, unknown>
  const inside = (target: unknown) =>
    typeof target === 'string' && (target === folder || target.startsWith(folder + path.sep))

  promises.open = (async (...args: Parameters<typeof promises.open>) => {
    const original = originals.open as typeof promises.open
    const [target] = args
    if (!inside(target)) return original(...args)
    const call: DiskCall = { name: 'open', path: String(target), args }
    const opening = async () => {
      call.handle = await original(...args)
      return call.handle
    }
    const handle = (await around(call, opening)) as FileHandle
    return interceptHandle(handle, String(target), around)
  }) as typeof promises.open
  for (const name of PATH_CALLS) {
    const original = promises[name] as (...args: unknown[]) => Promise<unknown>
    originals[name] = original
    Reflect.set(promises, name, (...args: unknown[]) => {
      const run = () => original(...args)
      // A second name is what counts of a link: the first may be anywhere.
      const target = name === 'link' ? args[1] : args[0]
      return inside(target) ? around({ name, path: String(target), args }, run) : run()
    })
  }
  syncBuiltinESMExports()
  return () => {
    Object.assign(promises, originals)
    syncBuiltinESMExports()
  }
}

function interceptHandle(handle: FileHandle, target: string, around: Around): FileHandle {
  for (const name of HANDLE_CALLS) {
    const original = (handle[name] as (...args: unknown[]) => Promise<unknown>).bind(handle)
    Reflect.set(handle, name, (...args: unknown[]) =>
      around({ name, path: target, handle, args }, () => original(...args)),
    )
  }
  return handle
}
