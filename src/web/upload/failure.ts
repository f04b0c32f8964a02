import { wordsOf } from '../words.ts'

/** What an upload that met an error does next. */
export type Verdict =
  /** By itself, after a while; at least so many milliseconds where the server has said so. */
  | { next: 'retry'; words: string; afterMs: number }
  /** Nobody's token: goes on when somebody has signed in. */
  | { next: 'sign-in'; words: string }
  /** The server does not have it any more: from the beginning, on word. */
  | { next: 'restart'; words: string }
  | { next: 'stop'; words: string }

/** Whatever these are about passes: a lost line, a lock, a restart, a full disk. */
const passing = new Set([0, 408, 409, 423, 425, 429, 500, 502, 503, 504, 507])

const waitingWords: Readonly<Record<number, string>> = {
  0: 'No connection to the server. It goes on by itself.',
  429: 'The server asks to wait a little. It goes on by itself.',
  507: 'The server has no room left. Delete files or tell its admin; it goes on by itself.',
}

/**
 * @param status of the answer; 0 where there was none
 * @param body of the answer
 */
export function judge(status: number, body: string, retryAfter: string | undefined): Verdict {
  const said = plainText(body)
  if (status === 401) return { next: 'sign-in', words: wordsOf(401, null) }
  if (status === 404 || status === 410) return { next: 'restart', words: wordsOf(410, null) }
  if (!passing.has(status)) return { next: 'stop', words: wordsOf(status, said) }
  const words = waitingWords[status] ?? 'The server is busy. It goes on by itself.'
  const seconds = Number(retryAfter)
  return { next: 'retry', words, afterMs: seconds > 0 ? seconds * 1000 : 0 }
}

const LONGEST_MS = 30_000

/** Milliseconds before the nth try, from 0: at once, then longer and longer. */
export function backOff(tries: number): number {
  return tries === 0 ? 500 : Math.min(1_000 * 2 ** (tries - 1), LONGEST_MS)
}

/** What a door has said, if it is words: proxies answer with pages. */
function plainText(body: string): string | null {
  const text = body.trim()
  return text.length > 0 && text.length <= 300 && !/[<{]/.test(text) ? text : null
}
