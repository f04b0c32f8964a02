import { Fault } from '../../errors.ts'
import { parseUploadConcat } from '../../wire/upload-concat.ts'

/** What a creation says of its place in a larger upload; null where it is a file of its own. */
export type Concat =
  | { kind: 'partial' }
  | { kind: 'final'; partIds: string[] /** As it was sent. */; sent: string }

/** @param path where the door stands: `/files`. */
export function parseConcat(text: string | undefined, path: string): Concat | null {
  if (text === undefined) return null
  const concat = parseUploadConcat(text)
  if (concat === null)
    throw new Fault('bad-request', { text: 'Upload-Concat is `partial` or `final;` and URLs.' })
  if (concat.kind === 'partial') return concat
  return { kind: 'final', sent: text, partIds: concat.urls.map((url) => idOf(url, path)) }
}

/**
 * "The partial uploads URLs MAY be absolute or relative". The host is not looked at: a server has
 * many names, and an id has one owner whatever it is called.
 */
function idOf(url: string, path: string): string {
  const base = `http://door${path}/`
  if (!URL.canParse(url, base))
    throw new Fault('bad-request', { text: 'Upload-Concat has a URL that cannot be read.' })
  const { pathname } = new URL(url, base)
  const [, id] = pathname.startsWith(`${path}/`) ? pathname.slice(path.length).split('/') : []
  // What is not below this door is unknown to it, and so is an empty name.
  return pathname === `${path}/${id}` || pathname === `${path}/${id}/` ? (id ?? '') : ''
}
