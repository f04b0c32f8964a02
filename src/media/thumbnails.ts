import { Fault, type Reason } from '../errors.ts'
import type { Storage } from '../storage/storage.ts'
import type { MediaRow } from './repo.ts'

/** The widths in which thumbnails exist, in pixels. */
export const thumbnailWidths = [80, 160, 320, 640, 1280] as const

const DEFAULT_WIDTH = 320n

/** The smallest width that is no less than the one asked for; the largest where there is none. */
export function thumbnailWidth(asked: bigint = DEFAULT_WIDTH): number {
  const [...widths] = thumbnailWidths
  return widths.find((width) => asked <= BigInt(width)) ?? Math.max(...widths)
}

/** Where the thumbnails of a file are kept, whether they were made yet or not. */
export function thumbnailKeys(storageKey: string): string[] {
  return thumbnailWidths.map((width) => thumbnailKey(storageKey, width))
}

function thumbnailKey(storageKey: string, width: number): string {
  return `${storageKey}.w${width}.webp`
}

/** A damaged image is stored all the same; it only has no picture to show. */
function refusedAsNone(error: unknown): null {
  const refused = error instanceof Fault && unshowable.has(error.reason)
  if (!refused) throw error
  return null
}

const unshowable: ReadonlySet<Reason> = new Set(['file-unreadable', 'too-many-pixels'])

export interface ThumbnailsDeps {
  storage: Pick<Storage, 'size' | 'put' | 'remove'>
  /** Makes a WebP of an image; null where the file has no picture that can be shown. */
  make(row: MediaRow, width: number): Promise<Uint8Array | null>
  /** Whether the record still exists. */
  exists(row: MediaRow): Promise<boolean>
}

/** A thumbnail in the storage. */
export interface Thumbnail {
  storageKey: string
  /** Bytes. */
  size: number
}

export type Thumbnails = ReturnType<typeof createThumbnails>

/** Thumbnails are made when first asked for, once, and kept beside the bytes of the file. */
export function createThumbnails({ storage, make, exists }: ThumbnailsDeps) {
  const making = new Map<string, Promise<Thumbnail | null>>()

  async function makeAndKeep(row: MediaRow, storageKey: string, width: number) {
    const bytes = await make(row, width).catch(refusedAsNone)
    if (bytes === null) return null
    await storage.put(storageKey, bytes)
    // A deletion takes the record away first and the bytes after. If the record is still there now,
    // the deletion is yet to come and will find what we stored; otherwise it may have passed by.
    if (!(await exists(row))) {
      await storage.remove(storageKey)
      return null
    }
    return { storageKey, size: bytes.byteLength }
  }

  return {
    /** Null where there is no thumbnail. Requests for the same one at the same time share it. */
    async get(row: MediaRow, width: number): Promise<Thumbnail | null> {
      if (row.type !== 'image') return null
      const storageKey = thumbnailKey(row.storageKey, width)
      const size = await storage.size(storageKey)
      if (size !== null) return { storageKey, size }
      const running = making.get(storageKey)
      if (running) return running
      const made = makeAndKeep(row, storageKey, width).finally(() => making.delete(storageKey))
      making.set(storageKey, made)
      return made
    },
  }
}
