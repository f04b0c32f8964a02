/**
 * - `waiting`: for its turn; `sending`; `finishing`: all bytes are there, the server looks at them
 * - `retrying`: the line or the server is away; it goes on by itself
 * - `paused`: by whoever looks at the page
 * - `detached`: of an earlier life of the page, which has no hold of the file any more; `locked`:
 *   the browser has, and asks before it gives it out
 * - `failed`: for good, or until it is told to try again
 * - `done`: the file is in the library, or in its session
 */
export type ItemState =
  | 'waiting'
  | 'sending'
  | 'finishing'
  | 'retrying'
  | 'paused'
  | 'detached'
  | 'locked'
  | 'failed'
  | 'done'

/** One upload as the page shows it. */
export interface Item {
  id: string
  name: string
  /** Where it lay below what was dropped, such as `holiday/day 1`; `''`: nowhere. */
  folder: string
  /** Bytes. */
  size: number
  type: string
  lastModified: number
  state: ItemState
  sent: number
  /** Where the server keeps it; null until it has begun. */
  url: string | null
  /** Why it does not go on, for people. */
  trouble: string | null
  /** Bytes a second; null while it is not known. */
  speed: number | null
  /** Of the media file it has become. */
  fileId: number | null
  link: string | null
}

/** What tells a file from others without reading it: as good as what tus clients go by. */
export function fingerprintOf(file: Pick<Item, 'name' | 'size' | 'lastModified'>): string {
  return `${file.size} ${file.lastModified} ${file.name}`
}

const running: ReadonlySet<ItemState> = new Set(['waiting', 'sending', 'finishing', 'retrying'])

/** Goes on without anybody doing anything. */
export function isRunning({ state }: Pick<Item, 'state'>): boolean {
  return running.has(state)
}

export function isOpen({ state }: Pick<Item, 'state'>): boolean {
  return state !== 'done' && state !== 'failed'
}

/** All uploads together. */
export interface Summary {
  open: number
  done: number
  failed: number
  /** Need somebody: paused, or without their file. */
  stopped: number
  sent: number
  size: number
  /** Bytes a second of all that run. */
  speed: number
  /** Seconds; null while nothing moves. */
  left: number | null
}

export function summarise(items: readonly Item[]): Summary {
  const sum = { open: 0, done: 0, failed: 0, stopped: 0, sent: 0, size: 0, speed: 0 }
  let running = 0
  for (const item of items) {
    if (item.state === 'failed') {
      sum.failed += 1
      continue
    }
    sum.size += item.size
    sum.sent += Math.min(item.sent, item.size)
    sum.speed += item.speed ?? 0
    if (item.state === 'done') sum.done += 1
    else sum.open += 1
    if (isRunning(item)) running += item.size - item.sent
    else if (item.state !== 'done') sum.stopped += 1
  }
  const left = sum.speed > 0 && running > 0 ? running / sum.speed : null
  return { ...sum, left }
}
