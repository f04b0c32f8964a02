import { CommandFailure, exitCodes } from './exit.ts'

const DEADLINE_MS = 30_000

/** A running server, spoken to over its own API. */
export interface Client {
  /**
   * The JSON of a 2xx answer, null where it has no body. Rejects with a CommandFailure that says
   * what the server said.
   */
  request(method: string, path: string, body?: object): Promise<unknown>
}

/**
 * Where to find the server: `LANDFALL_URL` (default `http://127.0.0.1:8080`) and `LANDFALL_TOKEN`.
 */
export function createClient(env: Readonly<Record<string, string | undefined>>): Client {
  const base = env.LANDFALL_URL || 'http://127.0.0.1:8080'
  if (!/^https?:\/\/./.test(base) || !URL.canParse(base)) {
    const text = 'LANDFALL_URL is not a URL such as http://127.0.0.1:8080'
    throw new CommandFailure(text, exitCodes.configuration)
  }
  const token = env.LANDFALL_TOKEN
  if (!token) {
    const text = 'LANDFALL_TOKEN is not set: it takes the token of an admin (or staff, for files)'
    throw new CommandFailure(text, exitCodes.configuration)
  }
  if (!/^[!-~]+$/.test(token)) {
    throw new CommandFailure('LANDFALL_TOKEN is not a token', exitCodes.configuration)
  }
  return {
    async request(method, path, body) {
      const answer = await send(`${base.replace(/\/+$/, '')}${path}`, {
        method,
        headers: {
          Authorization: `Token ${token}`,
          Accept: 'application/json',
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // A token is for the server that was named, not for one that it points to.
        redirect: 'manual',
        signal: AbortSignal.timeout(DEADLINE_MS),
      })
      if (!answer.ok) throw new CommandFailure(complaint(answer.status, answer.text))
      return answer.text === '' ? null : parse(answer.text)
    },
  }
}

async function send(
  url: string,
  init: RequestInit,
): Promise<{ ok: boolean; status: number; text: string }> {
  try {
    const response = await fetch(url, init)
    return { ok: response.ok, status: response.status, text: await response.text() }
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
    const why = typeof code === 'string' ? code : (error as Error).name
    throw new CommandFailure(`No answer from ${new URL(url).origin} (${why}). Is it running?`)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new CommandFailure('The answer is not JSON: is LANDFALL_URL the address of a Landfall?')
  }
}

/** `{"detail": …}` and `{"field": ["…"]}` as lines for a person. */
function complaint(status: number, text: string): string {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = null
  }
  if (typeof body !== 'object' || body === null) return `The server answered ${status}.`
  if ('detail' in body && typeof body.detail === 'string') return `${body.detail} (${status})`
  return Object.entries(body)
    .map(
      ([field, messages]) => `${field}: ${Array.isArray(messages) ? messages.join(' ') : messages}`,
    )
    .join('\n')
}
