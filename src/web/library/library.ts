import type { Client, FileQuery, LandfallEvent, MediaFile } from '../../client/client.ts'
import { createStore, type Store } from '../state/store.ts'
import { sentence } from '../words.ts'

export interface LibraryState {
  files: readonly MediaFile[]
  /** Of all that match, also of those that are not loaded. */
  count: number
  /** Null: nothing was ever loaded for this query. */
  loaded: 'all' | 'part' | null
  loading: boolean
  trouble: string | null
}

export interface Library {
  store: Store<LibraryState>
  /** Ids of files that are deleted as soon as nobody takes it back; they are not shown. */
  hidden: Store<ReadonlySet<number>>
  /** Shows what the query says, from its beginning. */
  open(query: Readonly<Record<string, string>>): void
  /** The next files below those that are there. */
  more(): void
  /** Looks whether what is shown is still so: now, or when no more has happened for a moment. */
  refresh(): void
  refreshSoon(): void
  /** Tries again what did not work. */
  retry(): void
  hear(event: LandfallEvent): void
  /** One of the files is another now. */
  replace(file: MediaFile): void
  close(): void
}

/** Files of one page, and the most that are looked at again at once: the server's own bound. */
const PAGE = 60
const MOST = 1000
/** Milliseconds in which events are gathered before the page looks, and between two such looks. */
const GATHER_MS = 250
const EVERY_MS = 1_500

/** The beginning of another list, the same one again, or what is below it. */
type Loading = 'first' | 'again' | 'more'

const nothing: LibraryState = {
  files: [],
  count: 0,
  loaded: null,
  loading: false,
  trouble: null,
}

export function createLibrary(client: Client): Library {
  const store = createStore(nothing)
  const hidden = createStore<ReadonlySet<number>>(new Set())
  let query: FileQuery = {}
  let running = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let stale = false
  let lookedAt = Number.NEGATIVE_INFINITY

  const change = (change: Partial<LibraryState>) => store.set({ ...store.get(), ...change })

  async function load(slice: { offset: number; limit: number }, how: Loading): Promise<void> {
    const { signal } = running
    change({ loading: true, trouble: null })
    try {
      const page = await client.files.list({ ...query, ...slice }, { signal })
      if (signal.aborted) return
      const { files } = store.get()
      const before = how === 'more' ? files : []
      const known = new Set(before.map(({ id }) => id))
      const all = [...before, ...page.results.filter(({ id }) => !known.has(id))]
      // Of more than the server gives at once, what lies below stays as it was.
      const ids = new Set(all.map(({ id }) => id))
      const below = how === 'again' ? files.slice(slice.limit).filter(({ id }) => !ids.has(id)) : []
      const shown = [...all, ...below]
      const loaded =
        page.results.length < slice.limit || shown.length >= page.count ? 'all' : 'part'
      change({ files: shown, count: page.count, loaded, loading: false })
    } catch (error) {
      if (!signal.aborted) change({ loading: false, trouble: sentence(error) })
    }
    if (stale && !signal.aborted) look()
  }

  function look(): void {
    lookedAt = performance.now()
    stale = store.get().loading
    if (stale) return
    const { loaded, files } = store.get()
    const limit = Math.min(MOST, Math.max(PAGE, files.length))
    void load({ offset: 0, limit }, loaded === null ? 'first' : 'again')
  }

  function refreshSoon(): void {
    const wait = Math.max(GATHER_MS, lookedAt + EVERY_MS - performance.now())
    timer ??= setTimeout(() => {
      timer = undefined
      look()
    }, wait)
  }

  return {
    store,
    hidden,
    open(next) {
      running.abort()
      running = new AbortController()
      query = next as FileQuery
      stale = false
      // What was found before stays to be seen until there is something better.
      change({ loaded: null })
      void load({ offset: 0, limit: PAGE }, 'first')
    },
    more() {
      const { loading, loaded, trouble, files } = store.get()
      if (loading || loaded !== 'part' || trouble !== null) return
      void load({ offset: files.length, limit: PAGE }, 'more')
    },
    refresh: look,
    refreshSoon,
    retry() {
      const { loaded, files } = store.get()
      if (loaded === null) void load({ offset: 0, limit: PAGE }, 'first')
      else void load({ offset: files.length, limit: PAGE }, 'more')
    },
    hear({ type, data }) {
      if (type === 'upload.rejected') return
      if (type === 'media.deleted') {
        const { files, count } = store.get()
        const left = files.filter(({ id }) => id !== data.id)
        if (left.length < files.length) change({ files: left, count: Math.max(0, count - 1) })
      }
      refreshSoon()
    },
    replace(file) {
      change({ files: store.get().files.map((each) => (each.id === file.id ? file : each)) })
    },
    close() {
      running.abort()
      clearTimeout(timer)
    },
  }
}
