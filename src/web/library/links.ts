import type { Client, MediaFile } from '../../client/client.ts'
import { count, formatTime, shellQuoted } from '../format.ts'
import { copyText } from '../parts/copy.ts'
import type { Toasts } from '../state/toasts.ts'
import { sentence } from '../words.ts'

/** A URL that opens a file without a token. */
export interface Link {
  url: string
  /** Null: it does not end. */
  endsAt: string | null
}

/** Whatever MEDIA_ACCESS is: where files are public, this is the `f` of the record. */
export async function linkOf(client: Client, { id }: Pick<MediaFile, 'id'>): Promise<Link> {
  const link = await client.files.share(id)
  return { url: link.url, endsAt: link.expires_at }
}

/** The same file from where this page came, if that serves it: the server has several names. */
export function hereUrl(link: string): string {
  const url = new URL(link, location.href)
  return url.pathname.startsWith('/media/') ? `${url.pathname}${url.search}` : url.href
}

export function downloadUrl(link: string): string {
  return `${hereUrl(link)}${link.includes('?') ? '&' : '?'}download=1`
}

/** A command that downloads a file under its own name. */
export function curlOf(link: string, name: string): string {
  return `curl -sS -o ${shellQuoted(name.replaceAll('/', '_') || 'file')} ${shellQuoted(link)}`
}

export async function copyWithWord(text: string, word: string, toasts: Toasts): Promise<void> {
  if (await copyText(text)) toasts.show(word)
  else toasts.show('The browser does not let this page copy.', { kind: 'error' })
}

export async function copyLinks(
  files: readonly MediaFile[],
  client: Client,
  toasts: Toasts,
): Promise<void> {
  try {
    const [first, ...others] = files
    if (first === undefined) return
    const link = await linkOf(client, first)
    // Where the first one does not end none does, and all are known already.
    const links =
      link.endsAt === null
        ? others.map(({ f }) => ({ url: f }))
        : await Promise.all(others.map((file) => linkOf(client, file)))
    const words = files.length === 1 ? 'Link copied.' : `${count(files.length, 'link')} copied.`
    const end = link.endsAt === null ? '' : ` Good until ${formatTime(link.endsAt)}.`
    await copyWithWord([link, ...links].map(({ url }) => url).join('\n'), words + end, toasts)
  } catch (error) {
    toasts.show(sentence(error), { kind: 'error' })
  }
}
