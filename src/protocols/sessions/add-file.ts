import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { Actor } from '../../auth/actor.ts'
import { Fault } from '../../errors.ts'
import type { HeldLock } from '../../uploads/lock.ts'
import { emptyFile, fileTooBig } from '../../uploads/session-rules.ts'
import { SESSION_DOOR } from '../../uploads/sessions.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { Uploads } from '../../uploads/uploads.ts'
import type { Env } from '../env.ts'
import { type FormFile, MAX_OVERHEAD_BYTES, parseForm } from '../multipart/parse.ts'
import { bodyLengthOf } from '../node-request.ts'

export interface AddDeps {
  uploads: Pick<Uploads<unknown>, 'create' | 'lock' | 'append' | 'finish' | 'terminate'>
  /** Bytes of the largest file that any session takes. */
  maxFileBytes: number
  /** Milliseconds without a byte after which a body counts as dead. */
  idleMs: number
  log: { warn(fields: object, message: string): void }
}

/** One form on its way into a session. */
export interface Adding {
  actor: Actor
  token: string
  incoming: Env['Bindings']['incoming']
  /** The file's name, as it was sent; undefined until there is a file. */
  filename: string | undefined
  /** What was wrong with the file itself, as opposed to the form around it. */
  refusal: unknown
  upload: Upload | undefined
  lock: HeldLock | undefined
}

/**
 * Takes the one file of a form into a session, bytes as they come. Resolves when the file is
 * accepted. On every failure nothing is left of it, and it is `adding.refusal` where it was the
 * file's.
 */
export async function addFile(deps: AddDeps, adding: Adding): Promise<Upload> {
  if (!isForm(adding.incoming.headers['content-type'])) throw noFile()
  let turn: Promise<void> = Promise.resolve()
  const handlers = {
    onField(name: string) {
      if (name === 'file') throw noFile()
    },
    onFile(file: FormFile) {
      // A file can be announced while the one before it is still being taken.
      turn = turn.then(() => noting(deps, adding, () => takeFile(deps, adding, file)))
      return turn
    },
  }
  try {
    await parseForm(adding.incoming, handlers, { idleMs: deps.idleMs, namesAsSent: true })
    const { upload, lock } = adding
    if (upload === undefined || lock === undefined) throw noFile()
    return await noting(deps, adding, async () => (await deps.uploads.finish(lock, upload)).upload)
  } catch (error) {
    await undo(deps, adding)
    throw error
  } finally {
    adding.lock?.release()
  }
}

function isForm(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === 'multipart/form-data'
}

function noFile(): Fault {
  return new Fault('bad-request', { text: 'No file was uploaded' })
}

async function takeFile(deps: AddDeps, adding: Adding, file: FormFile): Promise<void> {
  const { uploads, maxFileBytes } = deps
  const { filename, declaredType, body } = file
  if (adding.filename !== undefined)
    throw new Fault('file-refused', { text: 'Upload one file at a time.' })
  if (file.field !== 'file' && filename !== '') throw noFile()
  const empty = await isEmpty(body)
  // A browser sends an input in which no file was chosen as a part with an empty name.
  if (empty && filename === '') return void body.resume()
  adding.filename = filename
  if (empty) throw emptyFile(filename)
  // How much of the body is the file is not known yet, but that it cannot be little is.
  const reserve = Math.max(0, (bodyLengthOf(adding.incoming) ?? 0) - MAX_OVERHEAD_BYTES)
  if (reserve > maxFileBytes) throw fileTooBig(filename, maxFileBytes)
  const begun = await uploads.create(adding.actor, {
    door: SESSION_DOOR,
    sessionToken: adding.token,
    size: null,
    reserve,
    filename,
    declaredType,
  })
  adding.upload = begun.upload
  adding.lock = await uploads.lock(begun.upload.id)
  adding.upload = (
    await uploads.append(adding.lock, begun.upload, { offset: 0, body, last: true })
  ).upload
}

/** Waits for the first byte or for the end. */
async function isEmpty(body: Readable): Promise<boolean> {
  if (body.destroyed) throw new Fault('client-gone')
  if (body.readableLength === 0 && !body.readableEnded)
    await Promise.race([once(body, 'readable'), once(body, 'end')])
  return body.readableLength === 0
}

/** Notes what goes wrong while there is a file, in the words for a file of a session. */
async function noting<T>(
  { maxFileBytes }: AddDeps,
  adding: Adding,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { filename } = adding
    if (filename === undefined) throw error
    const reason = error instanceof Fault ? error.reason : null
    if (reason === 'too-large') adding.refusal = fileTooBig(filename, maxFileBytes)
    // Its bytes are gone: somebody has removed the file by its name.
    else if (reason === 'not-found') adding.refusal = new Fault('upload-ended')
    else adding.refusal = error
    throw adding.refusal
  }
}

async function undo({ uploads, log }: AddDeps, adding: Adding): Promise<void> {
  const { upload } = adding
  if (upload === undefined) return
  try {
    adding.lock ??= await uploads.lock(upload.id)
    await uploads.terminate(adding.lock, { keepsPublished: true })
  } catch (error) {
    // The core ends by itself what it refuses.
    if (error instanceof Fault && error.reason === 'upload-ended') return
    log.warn({ err: error, upload: upload.id }, 'a failed form left an unfinished upload')
  }
}
