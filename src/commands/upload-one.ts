import { createReadStream, type ReadStream } from 'node:fs'
import type {
  DetailedError,
  HttpRequest,
  HttpResponse,
  Upload as TusUpload,
  UploadOptions,
} from 'tus-js-client'
import { type Address, uploadAt } from './connect.ts'
import { hasChanged, type LocalFile } from './upload-files.ts'
import type { UploadState } from './upload-state.ts'

/** A file that is in the library. */
export interface Uploaded {
  /** Of the record; null where it was removed again at once. */
  id: number | null
  /** Of the bytes. */
  url: string | null
  /** Of the upload. */
  uploadUrl: string
  /** Bytes that an earlier run had sent. */
  resumedFrom: number
}

export interface UploadOneDeps {
  Upload: typeof TusUpload
  address: Address
  state: UploadState
  signal: AbortSignal
  /** In the place of the file's own. */
  name: string | undefined
  description: string | undefined
  /** Milliseconds without a byte after which a connection counts as dead. Default 60,000. */
  silenceMs?: number
}

/** Dead connections in a row, after which there is nobody to wait for. */
const MAX_SILENCES = 10

/**
 * Milliseconds between tries; from the beginning again after each that has brought a byte. A network
 * that is away for less than ten minutes ends nothing.
 */
const RETRY_DELAYS = [0, 500, 1_000, 2_000, 5_000, 10_000, 20_000, ...Array(20).fill(30_000)]

/** What another try may change: the rest of 4xx is final. */
const PASSING: ReadonlySet<number> = new Set([408, 409, 423, 429])

/** The upload was begun, and the server does not know it any more. */
class UploadGone extends Error {}

/** What was sent is neither the file that was found nor the one that is there. */
class FileChanged extends Error {
  constructor(uploadUrl: string | null) {
    const rest = uploadUrl === null ? '' : `; what was sent can be removed: DELETE ${uploadUrl}`
    super(`changed while it was sent${rest}`)
  }
}

/** The server refuses it; `status` 0: there was no answer. */
export class UploadRefused extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

/**
 * Uploads a file, going on where an earlier run has stopped. Rejects with an UploadRefused, with the
 * signal's reason when it was aborted (what arrived is kept then), and with an Error that names the
 * upload where the file has changed meanwhile.
 *
 * @param onProgress bytes that the server has, or that are under way to it.
 */
export async function uploadOne(
  deps: UploadOneDeps,
  file: LocalFile,
  onProgress: (bytes: number, resumedFrom: number) => void,
): Promise<Uploaded> {
  try {
    return await run(deps, file, onProgress)
  } catch (error) {
    // Also where it is put back as it was: the upload has parts of something else.
    if (error instanceof UploadGone || error instanceof FileChanged) deps.state.forget(file)
    if (!(error instanceof UploadGone)) throw error
    return run(deps, file, onProgress)
  }
}

async function run(
  deps: UploadOneDeps,
  file: LocalFile,
  onProgress: (bytes: number, resumedFrom: number) => void,
): Promise<Uploaded> {
  const { signal } = deps
  signal.throwIfAborted()
  const input = createReadStream(file.path)
  // Only its path is read; whatever is wrong with the file is found there.
  input.on('error', () => {})
  const transfer = begin(deps, file, input, onProgress)
  const abort = () => transfer.stop(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    const uploaded = await transfer.done
    if (await hasChanged(file)) throw new FileChanged(uploaded.uploadUrl)
    return uploaded
  } finally {
    signal.removeEventListener('abort', abort)
    transfer.stop()
    input.destroy()
  }
}

interface Transfer {
  done: Promise<Uploaded>
  /** Nothing is sent any more. What is not done rejects with the reason. */
  stop(reason?: unknown): void
}

function begin(
  { Upload, state, silenceMs = 60_000, ...deps }: UploadOneDeps,
  file: LocalFile,
  input: ReadStream,
  onProgress: (bytes: number, resumedFrom: number) => void,
): Transfer {
  const kept = state.find(file)
  const known = kept === null ? null : uploadAt(deps.address, kept)
  let [over, resumedFrom] = [false, 0]
  let request: HttpRequest | undefined
  let settle: { resolve(uploaded: Uploaded): void; reject(reason: unknown): void } | undefined
  const done = new Promise<Uploaded>((resolve, reject) => {
    settle = { resolve, reject }
  })
  const upload = new Upload(input as never, {
    ...optionsOf(deps, file, known),
    // An upload that was aborted while it opened its file goes on by itself.
    onShouldRetry: (error) => !over && isPassing(statusOf(error)),
    async onBeforeRequest(next) {
      // Of a file that has become shorter the library sends nothing, again and again.
      if (next.getMethod() === 'PATCH' && (await hasChanged(file)))
        stop(new FileChanged(upload.url))
      if (over) throw new Error('it is over')
      request = next
      watch.begin()
    },
    onUploadUrlAvailable() {
      // Without an endpoint it never begins anew by itself: by its own rules one 502 of a proxy
      // would be enough for that.
      upload.options.endpoint = null
      if (upload.url === null || known !== null) return
      upload.url = uploadAt(deps.address, upload.url)
      state.keep(file, upload.url)
    },
    onAfterResponse(asked, answer) {
      watch.heard()
      if (known !== null && resumedFrom === 0 && asked.getMethod() === 'HEAD')
        resumedFrom = Number(answer.getHeader('Upload-Offset') ?? 0)
    },
    onProgress(sent) {
      watch.heard()
      onProgress(sent, resumedFrom)
    },
    onSuccess: ({ lastResponse }) =>
      settle?.resolve(uploadedOf(lastResponse, upload.url ?? known ?? '', resumedFrom)),
    onError: (error) => settle?.reject(refusalOf(error as DetailedError, known !== null)),
  })
  const watch = watchSilence(silenceMs, (silences) => {
    if (silences >= MAX_SILENCES) stop(new UploadRefused('no answer', 0))
    // Of an answer that is cut in its middle the library never hears.
    else if (request?.getUnderlyingObject()?.destroyed) upload.start()
    // All else fails, and is tried again like any that failed.
    else void request?.abort()
  })

  function stop(reason?: unknown): void {
    over = true
    watch.end()
    void upload.abort()
    settle?.reject(reason)
  }

  upload.start()
  return { done, stop }
}

function uploadedOf(response: HttpResponse, uploadUrl: string, resumedFrom: number): Uploaded {
  const id = response.getHeader('Landfall-Media-File')
  const url = response.getHeader('Landfall-Media-Url') ?? null
  return { id: id === undefined ? null : Number(id), url, uploadUrl, resumedFrom }
}

interface Watch {
  /** A request goes out. */
  begin(): void
  /** Something came back, or went on. */
  heard(): void
  end(): void
}

/**
 * A network that is gone without a word leaves a connection open for as long as the system likes,
 * which is a quarter of an hour and more.
 *
 * @param onSilent how many times in a row.
 */
function watchSilence(ms: number, onSilent: (silences: number) => void): Watch {
  let silences = 0
  const timer = setInterval(() => {
    silences += 1
    onSilent(silences)
  }, ms)
  return {
    begin: () => void timer.refresh(),
    heard() {
      silences = 0
      timer.refresh()
    },
    end: () => clearInterval(timer),
  }
}

/** @param known the upload that was begun before. */
function optionsOf(
  { address, name, description }: Pick<UploadOneDeps, 'address' | 'name' | 'description'>,
  file: LocalFile,
  known: string | null,
): UploadOptions {
  return {
    endpoint: known === null ? `${address.url}/files/` : null,
    uploadUrl: known,
    headers: address.token === null ? {} : { Authorization: `Token ${address.token}` },
    metadata: metadataOf(file, name, description),
    uploadSize: file.size,
    retryDelays: RETRY_DELAYS,
    storeFingerprintForResuming: false,
  }
}

function metadataOf(
  { name, relativePath }: LocalFile,
  given: string | undefined,
  description: string | undefined,
): Record<string, string> {
  return {
    filename: given ?? name,
    ...(relativePath !== null && { relativePath }),
    ...(description !== undefined && { description }),
  }
}

function statusOf({ originalResponse }: DetailedError): number {
  return originalResponse?.getStatus() ?? 0
}

function isPassing(status: number): boolean {
  return status < 400 || status >= 500 || PASSING.has(status)
}

/** In words for a person: what the server has said, else what came between. */
function refusalOf(error: DetailedError, resumed: boolean): Error {
  const status = statusOf(error)
  if (resumed && (status === 404 || status === 410)) return new UploadGone()
  if (error.originalRequest === undefined) return new UploadRefused(error.message, 0)
  if (status > 0) return new UploadRefused(wordsOf(error) || `answered ${status}`, status)
  const { code } = (error.causingError ?? {}) as { code?: string }
  return new UploadRefused(`no answer${code === undefined ? '' : ` (${code})`}`, 0)
}

function wordsOf({ originalResponse }: DetailedError): string {
  const text = originalResponse?.getBody() ?? ''
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    return typeof detail === 'string' ? detail : ''
  } catch {
    // A line of ours; not the page of a proxy.
    return /[<\n]./s.test(text) ? '' : text.trim().slice(0, 300)
  }
}
