import { DetailedError, type HttpResponse, Upload } from 'tus-js-client'
import { judge, type Verdict } from './failure.ts'

export interface TransferOptions {
  file: File
  /** Where the server has it already; null: it is to be begun. */
  url: string | null
  metadata: Record<string, string>
  headers: Record<string, string>
  onUrl(url: string): void
  /** Bytes that have left this machine, of the whole file. */
  onProgress(sent: number): void
  onDone(result: { fileId: number | null; link: string | null }): void
  /** It has stopped. `url` may still lead to it. */
  onFailure(verdict: Verdict): void
}

export interface Transfer {
  /** What has arrived stays on the server. */
  stop(): Promise<void>
}

/** Where uploads begin. */
const ENDPOINT = '/files/'

/**
 * One go at an upload, to its end or to the first thing that stands in its way: whoever calls
 * decides about another one.
 */
export function startTransfer(options: TransferOptions): Transfer {
  const { file, url, metadata, headers } = options
  let stopped = false
  const upload = new Upload(file, {
    // Without an endpoint it never begins a second upload where the first one is not to be had.
    ...(url === null ? { endpoint: ENDPOINT } : { uploadUrl: url }),
    metadata,
    headers,
    // A creation whose answer is lost leaves no bytes, and so no second copy of the file; but that
    // of an empty one completes it.
    uploadDataDuringCreation: false,
    retryDelays: null,
    storeFingerprintForResuming: false,
    onUploadUrlAvailable() {
      if (upload.url) options.onUrl(upload.url)
    },
    onProgress(sent) {
      if (!stopped) options.onProgress(sent)
    },
    onSuccess({ lastResponse }) {
      if (!stopped) options.onDone(resultOf(lastResponse))
    },
    onError(error) {
      if (!stopped) options.onFailure(verdictOf(error))
    },
  })
  upload.start()
  return {
    async stop() {
      stopped = true
      await upload.abort()
    },
  }
}

/** Ends an upload on the server. One that is gone already is fine. */
export async function endUpload(url: string, headers: Record<string, string>): Promise<void> {
  const answer = await fetch(url, {
    method: 'DELETE',
    headers: { ...headers, 'Tus-Resumable': '1.0.0' },
    keepalive: true,
  })
  if (!answer.ok && answer.status !== 404 && answer.status !== 410)
    throw new Error(`DELETE answered ${answer.status}`)
}

function resultOf(response: HttpResponse) {
  const id = Number(response.getHeader('Landfall-Media-File'))
  return { fileId: id > 0 ? id : null, link: response.getHeader('Landfall-Media-Url') ?? null }
}

function verdictOf(error: Error | DetailedError): Verdict {
  if (!(error instanceof DetailedError)) {
    return {
      next: 'stop',
      words: 'The file cannot be read. If it was moved or changed, choose it again.',
    }
  }
  const response = error.originalResponse
  if (!response) return judge(0, '', undefined)
  return judge(response.getStatus(), response.getBody(), response.getHeader('Retry-After'))
}
