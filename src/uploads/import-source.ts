import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Digester } from '../streams/digest.ts'

/** Why a file was not imported. The text is for whoever runs the import. */
export const problems = {
  missing: 'There is no such file.',
  'not-a-file': 'It is not a file.',
  unreadable: 'It cannot be read.',
  'size-differs': 'Its size is not the one that the source gives.',
  'digest-differs': 'Its SHA-256 is not the one that the source gives.',
  taken: 'Its id belongs to another upload: imported before with other facts, or uploaded here.',
  overtaken: 'Something else imported or removed it in the same moment: run the import again.',
  'not-linked': 'It cannot be linked, only copied: it lies on another file system or is not yours.',
  refused: 'The server does not take it.',
  unfinished: 'Its bytes are stored, but it could not be published yet: run the import again.',
} as const

export type Problem = keyof typeof problems

/** A file that is there already, as its source describes it. */
export interface ExistingFile {
  /** Becomes the upload's id. The same in every run: that is what keeps a second record away. */
  id: string
  /** On this machine. */
  path: string
  filename: string
  description: string
  ownerId: number | null
  /** Of the upload and of its record, to the microsecond. */
  createdAt: string
  updatedAt: string
  /** Bytes that there must be; null where the source does not say. */
  size: number | null
  /** Hex; null where the source does not say. */
  sha256: string | null
}

export type Imported =
  | { outcome: 'imported'; bytes: number }
  /** By an earlier run. */
  | { outcome: 'present' }
  /** By an earlier run, and removed by somebody since. */
  | { outcome: 'removed' }
  | Failed

export interface Failed {
  outcome: 'failed'
  problem: Problem
  text: string
}

export function failed(problem: Problem, text: string = problems[problem]): Failed {
  return { outcome: 'failed', problem, text }
}

/** The bytes of a file, open for reading. */
export interface Source {
  handle: FileHandle
  size: number
}

/** Opens what is to be imported, if it is a file of the right size. To be closed by the caller. */
export async function openSource(file: ExistingFile): Promise<Source | Failed> {
  // Opening a pipe would wait for somebody to write into it.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK
  const handle = await open(file.path, flags).catch((error: NodeJS.ErrnoException) => error.code)
  if (typeof handle === 'string' || handle === undefined)
    return failed(NOT_THERE.has(handle ?? '') ? 'missing' : 'unreadable')
  const found = await handle.stat()
  const problem = problemOf(file, found.isFile(), found.size)
  if (problem === undefined) return { handle, size: found.size }
  await handle.close()
  return problem
}

const NOT_THERE = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ERR_INVALID_ARG_VALUE'])

function problemOf({ size }: ExistingFile, isFile: boolean, found: number): Failed | undefined {
  if (!isFile) return failed('not-a-file')
  if (size === null || size === found) return undefined
  return failed('size-differs', `It has ${found} bytes where the source gives ${size}.`)
}

/** What can be said of a file without storing it. */
export async function checkSource(file: ExistingFile, digester: Digester): Promise<Imported> {
  const source = await openSource(file)
  if ('problem' in source) return source
  await source.handle.close()
  const fits = file.sha256 === null || (await sha256Of(file.path, source.size, digester))
  return fits === true || fits === file.sha256
    ? { outcome: 'imported', bytes: source.size }
    : failed('digest-differs')
}

async function sha256Of(path: string, size: number, digester: Digester): Promise<string | null> {
  const digest = digester.open({ path, algorithms: ['sha256'] })
  const found = await digest
    .finish(size)
    .catch(() => null)
    .finally(() => digest.close())
  return found?.sha256 ?? null
}
