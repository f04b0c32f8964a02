import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import { Fault } from '../../errors.ts'

/** A file in the form, as its part begins. */
export interface FormFile {
  /** The name of the form field. */
  field: string
  /** The file's own name, without folders and never empty, unless `namesAsSent`. */
  filename: string
  /** MIME type the client claims; `text/plain` where it claims none (RFC 7578 §4.4). */
  declaredType: string
  body: Readable
  /** Bytes of it that have been read so far. */
  size(): number
  /**
   * Waits for all that follows the file. Rejects where that is no well-formed form, so that what
   * was taken of the file can be dropped. To be called once, after the body has been read.
   */
  rest(): Promise<void>
}

/** What is done with the parts. A handler that throws or rejects ends the parsing with its error. */
export interface FormHandlers {
  onField(name: string, value: string): void
  /** Takes the bytes; the form goes on when the body has been read. */
  onFile(file: FormFile): Promise<void>
}

export interface FormOptions {
  /** Milliseconds without a byte after which the body counts as dead; `body-idle`. 60,000. */
  idleMs?: number
  /** Milliseconds in which a body that has ended must turn out complete or malformed. 5,000. */
  settleMs?: number
  /** Gives file names as they were sent: with their folders, and empty ones. Default false. */
  namesAsSent?: boolean
}

/** What a client sends beside the bytes of its file: fields, headers of parts, delimiters. */
export const MAX_OVERHEAD_BYTES = 1024 * 1024

const limits = {
  fieldSize: 256 * 1024,
  fields: 100,
  files: 10,
  parts: 100,
  headerPairs: 32,
  headerSize: 16 * 1024,
}

/** Bytes read ahead of whoever takes the file. */
const FILE_BUFFER_BYTES = 256 * 1024

/** @returns the Fault of a body that is not what its Content-Type says, in Django's words */
export function malformed(why: string): Fault {
  return new Fault('bad-request', { text: `Multipart form parse error - ${why}` })
}

/** One body on its way. */
interface Run {
  incoming: Readable
  parser: BusboyInstance
  namesAsSent: boolean
  handlers: FormHandlers
  failure: { error: unknown } | undefined
  /** The file that is being read. */
  file: BusboyFileStream | undefined
  /** Handlers of files that are still at work. */
  taking: number
  /** Whether the last byte has come, and whether the parser has seen the last delimiter. */
  ended: boolean
  parsed: boolean
  /** Bytes of the body, and those of files before the present one. */
  received: number
  earlier: number
  stopWatching: () => void
  /** What files wait for in `rest`, and how many of them do. */
  waiting: number
  whole: { promise: Promise<void>; resolve(): void; reject(error: unknown): void }
  done: () => void
}

/**
 * Reads a multipart/form-data body (RFC 7578) piece by piece: no part is ever held whole but short
 * fields. Resolves when the body has ended, is well-formed to its last delimiter, and every handler
 * is done.
 *
 * Rejects with the first thing that went wrong, once the file's handler has let go: `bad-request`
 * for a malformed or oversized form, `client-gone`, `body-idle`, or a handler's error. `incoming`
 * is then left paused for the HTTP server, which answers and drains it.
 */
export function parseForm(
  incoming: Readable & { headers: IncomingHttpHeaders },
  handlers: FormHandlers,
  { idleMs = 60_000, settleMs = 5_000, namesAsSent = false }: FormOptions = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const run: Run = {
      incoming,
      parser: openParser(incoming.headers['content-type'] ?? '', namesAsSent),
      namesAsSent,
      handlers,
      failure: undefined,
      file: undefined,
      taking: 0,
      ended: false,
      parsed: false,
      received: 0,
      earlier: 0,
      stopWatching: () => {},
      waiting: 0,
      whole: createWhole(),
      done: () => (run.failure ? reject(run.failure.error) : resolve()),
    }
    listen(run)
    run.stopWatching = watchBody(run, idleMs, settleMs)
    incoming.pipe(run.parser)
  })
}

function createWhole(): Run['whole'] {
  let settle: Omit<Run['whole'], 'promise'> | undefined
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  promise.catch(() => {})
  return { promise, resolve: () => settle?.resolve(), reject: (error) => settle?.reject(error) }
}

/** RFC 2046 §5.1.1 has up to 70 characters; Django takes 201, and so do we. */
const boundary = /;\s*boundary=(?:"[ -~]{0,200}[!-~]"|[^\s;"]{1,201}(?=[\s;]|$))/i

function openParser(contentType: string, namesAsSent: boolean): BusboyInstance {
  if (!boundary.test(contentType)) throw malformed('Invalid boundary in multipart: None')
  return new Busboy({
    headers: { 'content-type': contentType },
    limits,
    fileHwm: FILE_BUFFER_BYTES,
    preservePath: namesAsSent,
    isPartAFile: (_field, _type, filename) => filename !== undefined,
  })
}

function listen(run: Run): void {
  const { parser } = run
  const tooMany = () => fail(run, malformed('too many parts'))
  parser.on('partsLimit', tooMany).on('filesLimit', tooMany).on('fieldsLimit', tooMany)
  parser.on('error', () => fail(run, malformed('the body is not well-formed')))
  parser.on('finish', () => {
    run.parsed = true
    settle(run)
  })
  parser.on('field', (name, value, _nameTruncated, truncated) => {
    if (run.failure) return
    try {
      if (truncated) throw malformed('a field is too long')
      run.handlers.onField(name, value)
    } catch (error) {
      fail(run, error)
    }
  })
  parser.on('file', (field, body, filename, _encoding, declaredType) => {
    // It may break when nobody listens any more.
    body.on('error', () => {})
    // A browser sends an input in which no file was chosen as a part with an empty file name.
    if (run.failure || (filename === '' && !run.namesAsSent)) body.resume()
    else {
      const size = () => body.bytesRead
      const rest = () => {
        run.waiting += 1
        return run.whole.promise
      }
      takeFile(run, { field, filename, declaredType, body, size, rest }, body)
    }
  })
}

function takeFile(run: Run, file: FormFile, body: BusboyFileStream): void {
  run.earlier += run.file?.bytesRead ?? 0
  run.file = body
  run.taking += 1
  run.handlers
    .onFile(file)
    .catch((error: unknown) => fail(run, error))
    .finally(() => {
      run.taking -= 1
      settle(run)
    })
}

/** Counts and times the bytes as they come. Gives back what stops it. */
function watchBody(run: Run, idleMs: number, settleMs: number): () => void {
  const { incoming, parser } = run
  let timer = setTimeout(() => {
    // While the parser holds the sender back, it is not the sender who is slow.
    if (parser.writableNeedDrain) timer.refresh()
    else fail(run, new Fault('body-idle'))
  }, idleMs)

  const onData = (chunk: Buffer) => {
    timer.refresh()
    const ofFiles = run.earlier + (run.file?.bytesRead ?? 0)
    // Without this chunk and those that wait: what they are is not known yet.
    if (run.received - parser.writableLength - ofFiles > MAX_OVERHEAD_BYTES) {
      fail(run, malformed('the form is too large beside its file'))
    }
    run.received += chunk.byteLength
  }
  const onEnd = () => {
    run.ended = true
    clearTimeout(timer)
    // After some malformed bodies the parser says nothing at all.
    timer = setTimeout(() => {
      if (isBusy(run)) timer.refresh()
      else fail(run, malformed('the body ended too early'))
    }, settleMs)
    settle(run)
  }
  const onGone = () => {
    if (!run.ended) fail(run, new Fault('client-gone'))
  }

  incoming.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone)
  return () => {
    clearTimeout(timer)
    incoming.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone)
  }
}

/** Whether bytes that have arrived are still being taken, as opposed to waited for. */
function isBusy({ taking, waiting, file, parser }: Run): boolean {
  if (taking === waiting || file === undefined) return false
  return file.readableEnded || file.readableLength > 0 || parser.writableLength > 0
}

function fail(run: Run, error: unknown): void {
  if (run.failure) return
  run.failure = { error }
  run.incoming.unpipe(run.parser)
  run.incoming.pause()
  run.file?.destroy(new Fault('client-gone'))
  settle(run)
}

function settle(run: Run): void {
  if (run.failure) run.whole.reject(run.failure.error)
  else if (run.ended && run.parsed) {
    // Nothing is waited for any more: what the file's taker still does has bounds of its own.
    run.stopWatching()
    run.whole.resolve()
  } else return
  if (run.taking > 0) return
  run.stopWatching()
  run.done()
}
