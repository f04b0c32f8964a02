import type { MediaRepo, MediaRow } from '../media/repo.ts'
import { type Alarm, createAlarm } from './alarm.ts'
import type { EventLog, OwnedEvent } from './event-log.ts'
import { fileIdOf } from './message.ts'
import { createSequence, type Sequence } from './sequence.ts'

/** Milliseconds between two looks while somebody listens: other servers write events too. */
const LOOK_EVERY_MS = 1_000
/** While an id is missing that a running transaction may still bring. */
const LOOK_AGAIN_MS = 200
/** Events of one read. */
const PAGE = 500
/** Events that are kept for all readers; whoever is further back reads them from the database. */
const KEPT = 1_000

/** An event with the record of its file, where it has one that is still there. */
export interface FeedEvent extends OwnedEvent {
  file: MediaRow | undefined
}

/** One who listens. */
export interface Reader {
  /** Up to here everything was given or passed over; to go on from. */
  readonly position: number
  /**
   * What comes next, in order; nothing where there was nothing for so many milliseconds; null when
   * the reader was ended or the feed is closed. Rejects where the database is away.
   */
  next(waitMs: number): Promise<readonly FeedEvent[] | null>
  end(): void
}

interface PlacedReader extends Reader {
  place(from: number, without: ReadonlySet<number>): void
}

export interface Feed {
  /**
   * Events from now on, or after one that was seen before. Rejects with `unavailable` where the
   * database is away.
   *
   * @param wants what this reader may see.
   */
  follow(after: number | null, wants: (event: OwnedEvent) => boolean): Promise<Reader>
  /** There is something new: looks at once. */
  wake(): void
  /** Ends all readers, and every one that comes. */
  close(): void
}

export interface FeedDeps {
  log: EventLog
  files: Pick<MediaRepo, 'findAll'>
  /** Told when looks begin to fail. */
  onTrouble: (error: unknown) => void
  lookEveryMs?: number | undefined
}

/**
 * Every event once and in the order of the ids to every reader. While somebody listens, one query
 * serves all; while nobody does, there is none. How no event is missed: see `createSequence`.
 */
export function createFeed({ log, files, onTrouble, lookEveryMs = LOOK_EVERY_MS }: FeedDeps): Feed {
  /** Each with what wakes it. */
  const readers = new Map<Reader, Alarm>()
  const looking = createAlarm()
  let sequence: Sequence = createSequence(log)
  /** All events from `floor`, which is not among them, up to `sequence.at`. */
  let recent: FeedEvent[] = []
  let floor = 0
  let begun: Promise<void> | undefined
  /** Since the last look that went well: one word about it is enough. */
  let troubled = false
  let closed = false

  async function begin(): Promise<void> {
    sequence = createSequence(log)
    await sequence.start()
    // The first look meets the ids that will never come, the second one knows that they will not.
    for (let looks = 0; looks < 2; looks++) await sequence.advance(PAGE)
    recent = []
    floor = sequence.at
    void loop()
  }

  async function loop(): Promise<void> {
    while (readers.size > 0 && !closed) {
      const state = await look()
      if (state === 'more') continue
      await looking.wait(state === 'waiting' ? Math.min(LOOK_AGAIN_MS, lookEveryMs) : lookEveryMs)
    }
    // Whoever comes next begins anew: where now is has changed by then.
    begun = undefined
  }

  async function look(): Promise<'more' | 'waiting' | 'done'> {
    const before = sequence.at
    try {
      const { events, state } = await sequence.advance(PAGE)
      recent.push(...(await withFiles(events)))
      const spare = recent.splice(0, Math.max(0, recent.length - KEPT))
      floor = spare.at(-1)?.id ?? floor
      if (events.length > 0) ringAll()
      troubled = false
      return state
    } catch (error) {
      if (!troubled) onTrouble(error)
      troubled = true
      if (sequence.at > before) {
        // Not in memory, so each reader asks for them.
        recent = []
        floor = sequence.at
        ringAll()
      }
      return 'done'
    }
  }

  function ringAll(): void {
    for (const alarm of readers.values()) alarm.ring()
  }

  async function withFiles(events: readonly OwnedEvent[]): Promise<FeedEvent[]> {
    const ids = events.map(fileIdOf).filter((id) => id !== null)
    const found = new Map((await files.findAll(ids)).map((file) => [file.id, file]))
    return events.map((event) => ({ ...event, file: found.get(fileIdOf(event) ?? 0) }))
  }

  /** One step towards `sequence.at`, from memory where it is there. */
  async function step(from: number, wants: (event: OwnedEvent) => boolean) {
    if (from >= floor) {
      const events = recent.filter((event) => event.id > from && wants(event))
      return { events, position: Math.max(from, recent.at(-1)?.id ?? from) }
    }
    const upTo = floor
    const { events } = await log.after(from, PAGE, upTo)
    const position = events.length < PAGE ? upTo : (events.at(-1)?.id ?? upTo)
    return { events: await withFiles(events.filter(wants)), position }
  }

  function createReader(wants: (event: OwnedEvent) => boolean): PlacedReader {
    const alarm = createAlarm()
    let position = 0
    let skipped: ReadonlySet<number> = new Set()
    let ended = false
    const isWanted = (event: OwnedEvent) => !skipped.has(event.id) && wants(event)
    const reader: PlacedReader = {
      get position() {
        return position
      },
      place(from, without) {
        position = from
        skipped = without
      },
      async next(waitMs) {
        for (const until = performance.now() + waitMs; !ended && !closed; ) {
          const found = await step(position, isWanted)
          const moved = found.position > position
          position = found.position
          if (found.events.length > 0) return found.events
          if (moved) continue
          const left = until - performance.now()
          if (left <= 0) return []
          await alarm.wait(left)
        }
        return null
      },
      end() {
        ended = true
        readers.delete(reader)
        alarm.ring()
        if (readers.size === 0) looking.ring()
      },
    }
    readers.set(reader, alarm)
    return reader
  }

  /** Whether an event of this id was there: the client may come from another database. */
  async function isKnown(id: number): Promise<boolean> {
    return id <= sequence.at || id <= ((await log.newest(1))[0] ?? 0)
  }

  return {
    async follow(after, wants) {
      // A reader from here on, so that the loop does not end while this one finds its place.
      const reader = createReader(wants)
      try {
        begun ??= begin().catch((error: unknown) => {
          begun = undefined
          throw error
        })
        await begun
        if (after !== null && (await isKnown(after))) reader.place(after, new Set())
        else {
          // What is there already is no news, though `sequence` has still to come to it.
          const old = await log.newest(KEPT)
          reader.place(sequence.at, new Set(old.filter((id) => id > sequence.at)))
        }
        return reader
      } catch (error) {
        reader.end()
        throw error
      }
    },
    wake: looking.ring,
    close() {
      closed = true
      looking.ring()
      ringAll()
    },
  }
}
