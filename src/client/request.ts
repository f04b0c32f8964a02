import { errorOf, LandfallError } from './error.ts'

/** Where a server is and who asks it. */
export interface Connection {
  /**
   * Scheme and host, and the path where a proxy has put the server below one. `''`: where the page
   * comes from.
   */
  url: string
  /** Null or `''`: without a token. */
  token: string | null
  fetch: typeof fetch
  /** For an answer in JSON, in milliseconds. */
  timeoutMs: number
}

export interface RequestOptions {
  /** Sent as JSON. */
  json?: object
  /** Sent as it is, in the place of `json`; takes as long as it takes. */
  body?: FormData
  query?: object
  signal?: AbortSignal | undefined
  headers?: Record<string, string>
}

export type Request = ReturnType<typeof createRequest>

/** Requests to one server, with its token. */
export function createRequest({ url, token, fetch, timeoutMs }: Connection) {
  const base = url.replace(/\/+$/, '')

  /**
   * A 2xx answer. Rejects with a LandfallError for any other and where there is none, and with the
   * signal's reason when it was aborted.
   *
   * @param path with its leading slash.
   */
  async function send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (token) headers.set('Authorization', `Token ${token}`)
    let response: Response
    try {
      response = await fetch(base + path, { ...init, headers })
    } catch (cause) {
      if (init.signal?.aborted && cause === init.signal.reason) throw cause
      throw noAnswer(base, cause)
    }
    if (!response.ok) throw await errorOf(response)
    return response
  }

  /** The JSON of an answer; undefined where it has no body. */
  async function json(method: string, path: string, options: RequestOptions = {}) {
    const late = options.body ? undefined : timeout(timeoutMs, options.signal)
    const signal = late?.signal ?? options.signal
    try {
      const response = await send(withQuery(path, options.query), {
        method,
        // A token is for the server that was named, not for one that it points to.
        redirect: 'manual',
        headers: {
          Accept: 'application/json',
          ...(options.json && { 'Content-Type': 'application/json' }),
          ...options.headers,
        },
        ...(options.json && { body: JSON.stringify(options.json) }),
        ...(options.body && { body: options.body }),
        ...(signal && { signal }),
      })
      return parse(response, await textOf(response, signal))
    } catch (error) {
      throw late?.expired() ? noAnswer(base, error) : error
    } finally {
      late?.end()
    }
  }

  return { send, json }
}

/** `AbortSignal.any` is younger than the browsers that are meant. */
function timeout(ms: number, outer: AbortSignal | undefined) {
  const controller = new AbortController()
  let expired = false
  const timer = setTimeout(() => {
    expired = true
    controller.abort(new DOMException(`No answer within ${ms} ms`, 'TimeoutError'))
  }, ms)
  const forward = () => controller.abort(outer?.reason)
  if (outer?.aborted) forward()
  outer?.addEventListener('abort', forward)
  return {
    signal: controller.signal,
    expired: () => expired,
    end() {
      clearTimeout(timer)
      outer?.removeEventListener('abort', forward)
    },
  }
}

async function textOf(response: Response, signal: AbortSignal | undefined): Promise<string> {
  try {
    return await response.text()
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new LandfallError('The answer ended before it was complete.', { status: 0, cause })
  }
}

function parse(response: Response, text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    const { status } = response
    const message = 'The answer is not JSON: is this the address of a Landfall?'
    throw new LandfallError(message, { status, body: text, cause })
  }
}

/** A browser says nothing about why; Node has a code such as ECONNREFUSED. */
function noAnswer(base: string, cause: unknown): LandfallError {
  const { cause: inner } = cause as { cause?: { code?: unknown } }
  const why = typeof inner?.code === 'string' ? ` (${inner.code})` : ''
  const where = base === '' ? 'the server' : URL.canParse(base) ? new URL(base).origin : base
  return new LandfallError(`No answer from ${where}${why}. Is it running?`, { status: 0, cause })
}

/** Lists become comma lists; what is empty or undefined is left out. */
export function withQuery(path: string, query: object = {}): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    const text = Array.isArray(value) ? value.join(',') : String(value ?? '')
    if (text !== '') params.set(name, text)
  }
  const text = params.toString()
  return text === '' ? path : `${path}?${text}`
}
