import { type Client, LandfallError } from '../../client/client.ts'

export interface Thumbnails {
  /** A URL for an `img`; null where there is none. Rejects where it is not known. */
  get(id: number, width: number, signal: AbortSignal): Promise<string | null>
  close(): void
}

/** At the same time: a browser opens six connections to a server, and uploads want some of them. */
const AT_ONCE = 3
/** Pictures that are kept; older ones are fetched again when they are seen again. */
const KEPT = 600

/** Thumbnails want the token, which an `img` cannot send: they are fetched, and shown as blobs. */
export function createThumbnails(client: Client): Thumbnails {
  const urls = new Map<string, string | null>()
  const line: (() => void)[] = []
  let running = 0

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= AT_ONCE) await new Promise<void>((resolve) => line.push(resolve))
    running += 1
    try {
      return await work()
    } finally {
      running -= 1
      line.shift()?.()
    }
  }

  return {
    async get(id, width, signal) {
      const key = `${id} ${width}`
      const known = urls.get(key)
      if (known !== undefined) return known
      return inTurn(async () => {
        signal.throwIfAborted()
        const again = urls.get(key)
        if (again !== undefined) return again
        const url = await client.files.thumbnail(id, width, { signal }).then(
          (blob) => URL.createObjectURL(blob),
          (error) => {
            // Only one that the server cannot make is not asked for again.
            if (error instanceof LandfallError && error.status === 404) return null
            throw error
          },
        )
        urls.set(key, url)
        const [oldest] = urls
        if (urls.size > KEPT && oldest) {
          urls.delete(oldest[0])
          if (oldest[1]) URL.revokeObjectURL(oldest[1])
        }
        return url
      })
    },
    close() {
      for (const url of urls.values()) if (url) URL.revokeObjectURL(url)
      urls.clear()
    },
  }
}
