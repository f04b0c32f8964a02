import { LandfallError } from '../client/client.ts'

const OFFLINE = 'The server cannot be reached. Check your connection, then try again.'

/** What a status means to whoever looks at the page, and what to do about it. */
const usual: Readonly<Record<number, string>> = {
  0: OFFLINE,
  401: 'Your token is not valid any more. Sign in with a new one.',
  403: 'Your account may not do this. Ask an admin of this server.',
  404: 'This is not here any more. Somebody may have deleted it.',
  410: 'The server has ended this upload. Retry to send it from the beginning.',
  413: 'This is larger than the server takes.',
  415: 'The server does not take files of this type.',
  423: 'The file is still being worked on. Try again in a moment.',
  429: 'That was too much at a time. Wait a moment, then try again.',
  500: 'The server made a mistake. Try again; if it happens again, tell its admin.',
  502: OFFLINE,
  503: 'The server is busy or restarting. Try again in a moment.',
  504: OFFLINE,
  507: 'The server has no room left. Delete files or tell its admin, then try again.',
}

/** Statuses whose words from the server are for programs. */
const ours = new Set([0, 401, 403, 404, 410, 500, 502, 503, 504, 507])

/** Words for a status; what the server says counts where it knows more. */
export function wordsOf(status: number, said: string | null): string {
  const words = ours.has(status) ? usual[status] : said?.trim() || usual[status]
  return words ?? `The server answered with the error ${status}. Try again later.`
}

/** Any error as a sentence for people. */
export function sentence(error: unknown): string {
  if (!(error instanceof LandfallError)) return 'Something went wrong on this page. Reload it.'
  const fields = Object.values(error.fields).flat().join(' ')
  return wordsOf(error.status, error.detail ?? fields)
}
