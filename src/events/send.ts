import { type ClientRequest, type IncomingMessage, request as overHttp } from 'node:http'
import { request as overHttps } from 'node:https'
import {
  type FindAddresses,
  isPublicAddress,
  literalAddress,
  PRIVATE_ADDRESS,
  publicLookup,
} from './address.ts'
import { parseRetryAfter } from './back-off.ts'

/** Milliseconds for everything: name, connection, TLS and the head of the answer. */
const TIME_LIMIT_MS = 15_000
/** Of the answer's body; what it says is of no interest. */
const MAX_ANSWER_BYTES = 4096

export interface Posting {
  url: URL
  body: string
  headers: Readonly<Record<string, string>>
  /** Whether this machine and its networks may be asked too. */
  allowPrivate: boolean
  /** Ends it at once; the answer is `stopped` then. */
  signal?: AbortSignal | undefined
  /** Default 15,000. */
  timeLimitMs?: number
  /** Default: the system's resolver. */
  findAddresses?: FindAddresses | undefined
}

/** What came of a request. */
export interface Answered {
  /** Null where there was no answer. */
  status: number | null
  /** Why it does not count, in words of ours; null for 2xx. */
  error: string | null
  /** What a 429 or a 503 asked for. */
  retryAfterMs: number | null
  durationMs: number
  /** Whether our own stop ended it: then nobody knows what the receiver made of it. */
  stopped: boolean
}

/**
 * Posts JSON, over a connection of its own: one that was kept could break in the moment it is used,
 * and its address would not be checked again. Redirects are not followed. Never rejects.
 */
export function post(posting: Posting): Promise<Answered> {
  const { url, allowPrivate, signal, timeLimitMs = TIME_LIMIT_MS } = posting
  const began = performance.now()
  return new Promise((resolve) => {
    let request: ClientRequest | undefined
    let settled = false
    const answer = (found: Partial<Answered>) => {
      if (settled) return
      settled = true
      const durationMs = Math.round(performance.now() - began)
      resolve({
        ...{ status: null, error: null, retryAfterMs: null, durationMs, stopped: false },
        ...found,
      })
    }
    const end = (found: Partial<Answered>) => {
      answer(found)
      request?.destroy()
    }
    const stop = () => end({ error: 'the server was stopped', stopped: true })
    const late = () => end({ error: `no answer within ${timeLimitMs / 1000} s` })
    // A body that does not end is cut by it too, when its head was answered long ago.
    const timer = setTimeout(late, timeLimitMs)
    const address = literalAddress(url)
    if (signal?.aborted) stop()
    else if (!allowPrivate && address !== null && !isPublicAddress(address))
      end({ error: wordsFor({ code: PRIVATE_ADDRESS }) })
    else request = begin(posting)
    if (request === undefined) return clearTimeout(timer)
    signal?.addEventListener('abort', stop, { once: true })
    request.on('response', (response) => {
      answer(judge(response))
      discard(response)
    })
    request.on('error', (error) => end({ error: wordsFor(error) }))
    request.on('close', () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      // Such as a change of protocols, which nobody asked for.
      answer({ error: 'the connection was closed without an answer' })
    })
    request.end(posting.body)
  })
}

function begin({ url, body, headers, allowPrivate, findAddresses }: Posting): ClientRequest {
  const send = url.protocol === 'https:' ? overHttps : overHttp
  return send(url, {
    method: 'POST',
    agent: false,
    headers: {
      'User-Agent': 'Landfall',
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      Accept: '*/*',
      ...headers,
    },
    ...(allowPrivate ? {} : { lookup: publicLookup(findAddresses) }),
  })
}

function judge({ statusCode = 0, headers }: IncomingMessage): Partial<Answered> {
  if (statusCode >= 200 && statusCode < 300) return { status: statusCode }
  const redirect = statusCode >= 300 && statusCode < 400
  const asks = statusCode === 429 || statusCode === 503
  return {
    status: statusCode,
    error: `answered ${statusCode}${redirect ? '; redirects are not followed' : ''}`,
    retryAfterMs: asks ? parseRetryAfter(headers['retry-after'], Date.now()) : null,
  }
}

function discard(response: IncomingMessage): void {
  let size = 0
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) response.destroy()
  })
}

const WORDS: Readonly<Record<string, string>> = {
  [PRIVATE_ADDRESS]: 'the address is a private one; WEBHOOK_ALLOW_PRIVATE=true allows it',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ENOTFOUND: 'the host name was not found',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'no connection in time',
}

/** Never the message of a library: it may hold what nobody was to see. */
function wordsFor(error: unknown): string {
  // Several addresses that all failed come as one error; each has the same tale.
  const { code, errors } = error as { code?: unknown; errors?: { code?: unknown }[] }
  const known = String(code ?? errors?.[0]?.code ?? 'no code')
  if (Object.hasOwn(WORDS, known)) return WORDS[known] ?? known
  if (/CERT|TLS|SSL|SELF_SIGNED|ALTNAME|UNABLE_TO/.test(known))
    return `the connection could not be secured (${known})`
  return `the request failed (${/^\w{1,60}$/.test(known) ? known : 'no code'})`
}
