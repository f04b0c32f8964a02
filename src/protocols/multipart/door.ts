import type { IncomingMessage } from 'node:http'
import type { Actor } from '../../auth/actor.ts'
import { Fault } from '../../errors.ts'
import { checkText, lengthOf, textFields } from '../../media/text-field.ts'
import type { HeldLock } from '../../uploads/lock.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { Uploads } from '../../uploads/uploads.ts'
import { printable } from './filename.ts'
import { type FormFile, MAX_OVERHEAD_BYTES, parseForm } from './parse.ts'

export interface MultipartDeps {
  uploads: Pick<Uploads<unknown>, 'createHeld' | 'append' | 'finish' | 'terminate'>
  /** Largest file in bytes; null for no limit. */
  maxSize: number | null
  /** Milliseconds without a byte after which a body counts as dead. */
  idleMs: number
  log: { warn(fields: object, message: string): void }
}

export interface MultipartDoor {
  /**
   * Takes one file from a form. Gives the upload when its record is in the list. On every failure
   * nothing is left of it, and the Fault has the words of Django REST framework.
   */
  receive(actor: Actor, incoming: IncomingMessage): Promise<Upload>
}

/** One form on its way. */
interface Form {
  actor: Actor
  /** The fields that mean something, checked. */
  fields: { name?: string; description?: string }
  /** The file's own name; undefined until there is a file. */
  filename: string | undefined
  upload: Upload | undefined
  lock: HeldLock | undefined
}

const MAX_FILENAME_LENGTH = 255

/** The door for forms: `f` (the file), `name`, `description`, in any order. */
export function createMultipartDoor(deps: MultipartDeps): MultipartDoor {
  return {
    async receive(actor, incoming) {
      requireForm(incoming, deps.maxSize)
      const form: Form = {
        actor,
        fields: {},
        filename: undefined,
        upload: undefined,
        lock: undefined,
      }
      try {
        const handlers = {
          onField: (name: string, value: string) => takeField(form, name, value),
          onFile: (file: FormFile) => takeFile(deps, form, file),
        }
        await parseForm(incoming, handlers, { idleMs: deps.idleMs })
        return await finish(deps, form)
      } catch (error) {
        await undo(deps, form)
        throw error
      } finally {
        form.lock?.release()
      }
    },
  }
}

/** Before the first byte of the body is read. */
function requireForm({ headers }: IncomingMessage, maxSize: number | null): void {
  const contentType = headers['content-type'] ?? ''
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase()
  if (mediaType !== 'multipart/form-data') {
    const shown = contentType.slice(0, 200)
    throw new Fault('type-unsupported', { text: `Unsupported media type "${shown}" in request.` })
  }
  const length = Number(headers['content-length'] ?? 0)
  // How much of the body is the file is not known yet, but that it cannot be little is.
  if (maxSize !== null && length > maxSize + MAX_OVERHEAD_BYTES) {
    throw new Fault('too-large', { text: `The largest upload is ${maxSize} bytes.` })
  }
}

function takeField(form: Form, name: string, value: string): void {
  if (name === 'f') {
    throw wrongFile('The submitted data was not a file. Check the encoding type on the form.')
  }
  if (name !== 'name' && name !== 'description') return
  // An input that was left empty means the same as none: the file's own name, no description.
  const checked = checkText(value, { ...textFields[name], blank: true })
  if ('errors' in checked) throw new Fault('bad-request', { fields: { [name]: checked.errors } })
  form.fields[name] = checked.value
}

async function takeFile({ uploads }: MultipartDeps, form: Form, file: FormFile): Promise<void> {
  if (form.filename !== undefined) throw wrongFile('Submit one file at a time.')
  if (file.field !== 'f') throw wrongFile('No file was submitted.')
  const filename = printable(file.filename)
  if (filename === '') throw wrongFile('No file was submitted.')
  const length = lengthOf(filename)
  if (length > MAX_FILENAME_LENGTH) {
    throw wrongFile(
      `Ensure this filename has at most ${MAX_FILENAME_LENGTH} characters (it has ${length}).`,
    )
  }
  // Before anything is awaited: a second file may be announced while the first is being created.
  form.filename = filename
  const { declaredType, body } = file
  const input = { door: 'multipart', size: null, filename, declaredType }
  const { lock, upload } = await uploads.createHeld(form.actor, input)
  form.lock = lock
  form.upload = upload
  form.upload = (
    await uploads.append(form.lock, form.upload, { offset: 0, body, last: true })
  ).upload
}

async function finish({ uploads }: MultipartDeps, form: Form): Promise<Upload> {
  const { upload, lock, fields } = form
  if (upload === undefined || lock === undefined) throw wrongFile('No file was submitted.')
  if (upload.offset === 0) throw wrongFile('The submitted file is empty.')
  const facts = { title: fields.name || null, description: fields.description ?? '' }
  try {
    return (await uploads.finish(lock, upload, facts)).upload
  } catch (error) {
    // A form cannot be asked about later: its client has to send it again.
    if (!(error instanceof Fault && error.reason === 'pending')) throw error
    const { cause } = error
    if (cause instanceof Fault && cause.reason === 'scanner-unavailable') throw cause
    throw new Fault('unavailable', { cause: error, retryAfterSeconds: 1 })
  }
}

/** A form that failed leaves nothing. What cannot be removed now ends with its upload's time. */
async function undo({ uploads, log }: MultipartDeps, { upload, lock }: Form): Promise<void> {
  if (upload === undefined || lock === undefined) return
  try {
    await uploads.terminate(lock)
  } catch (error) {
    // The core ends by itself what it refuses.
    if (error instanceof Fault && error.reason === 'upload-ended') return
    log.warn({ err: error, upload: upload.id }, 'a failed form left an unfinished upload')
  }
}

function wrongFile(text: string): Fault {
  return new Fault('bad-request', { fields: { f: [text] } })
}
