import { type Client, LandfallError } from '../../client/client.ts'
import { downloadUrl, hereUrl } from '../library/links.ts'
import type { Item } from './item.ts'

/** Types of which a browser runs nothing, though a blob belongs to this page as a script would. */
const shown: ReadonlySet<string> = new Set([
  'image/jpeg',
  'image/png',
  'image/gif',
  'image/webp',
  'image/avif',
  'video/mp4',
  'video/webm',
  'audio/mp4',
  'audio/webm',
  'audio/mpeg',
  'audio/ogg',
  'audio/wav',
  'text/plain',
  'application/pdf',
])

/** Milliseconds in which a download has begun to read its blob; between two looks at a tab. */
const SAVE_MS = 60_000
const LOOK_MS = 5_000

/**
 * Shows what an upload has become, in a tab of its own where that is safe; saves it elsewhere. Its
 * link is used while that opens for everybody, as it does with MEDIA_ACCESS=public: then nothing of
 * the file has to go through this page. Otherwise it is read with the token from the URL of the
 * upload, which does not end. To be called in the click itself: later a browser opens no tab.
 */
export async function openUpload(item: Item, client: Client): Promise<void> {
  const guess = essence(item.type)
  const tab = guess === '' || shown.has(guess) ? window.open('about:blank', '_blank') : null
  if (tab) tab.opener = null
  try {
    const { link } = item
    const way = link === null ? 'closed' : await lookAt(link)
    if (link !== null && way !== 'closed') {
      if (tab && way === 'shown') return tab.location.replace(hereUrl(link))
      tab?.close()
      return save(downloadUrl(link), item.name)
    }
    const answer = await client.request(hereUpload(item.url ?? ''))
    const type = essence(answer.headers.get('Content-Type') ?? '')
    const bytes = await answer.blob().catch((cause) => {
      throw new LandfallError('The file ended early.', { status: 0, cause })
    })
    const shows = tab !== null && shown.has(type)
    const url = URL.createObjectURL(new Blob([bytes], { type: shows ? typeOf(type) : UNKNOWN }))
    if (shows) {
      tab.location.replace(url)
      revokeAfter(tab, url)
    } else {
      tab?.close()
      save(url, item.name)
      setTimeout(() => URL.revokeObjectURL(url), SAVE_MS)
    }
  } catch (error) {
    tab?.close()
    throw error
  }
}

const UNKNOWN = 'application/octet-stream'

/** Nearly all text is UTF-8, and the mark of UTF-16 wins over this. */
function typeOf(type: string): string {
  return type === 'text/plain' ? `${type}; charset=utf-8` : type
}

/** The type without its parameters, in lower case. */
function essence(type: string): string {
  return (type.split(';', 1)[0] ?? '').trim().toLowerCase()
}

/** Without the token, as a tab would ask. A redirect leads to a server that asks nobody. */
async function lookAt(link: string): Promise<'shown' | 'saved' | 'closed'> {
  try {
    const answer = await fetch(hereUrl(link), { method: 'HEAD', redirect: 'manual' })
    if (!answer.ok && answer.type !== 'opaqueredirect') return 'closed'
    const saved = answer.headers.get('Content-Disposition')?.startsWith('attachment')
    return saved ? 'saved' : 'shown'
  } catch {
    return 'closed'
  }
}

/** The upload where this page came from: the server has several names. */
function hereUpload(url: string): string {
  const { pathname, href } = new URL(url, location.href)
  return pathname.startsWith('/files/') ? pathname : href
}

/** As long as the tab is there: a film is read as it is watched. */
function revokeAfter(tab: Window, url: string): void {
  const timer = setInterval(() => {
    if (!tab.closed) return
    clearInterval(timer)
    URL.revokeObjectURL(url)
  }, LOOK_MS)
}

function save(url: string, name: string): void {
  const anchor = document.createElement('a')
  anchor.href = url
  anchor.download = name
  anchor.click()
}
