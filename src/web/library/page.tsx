import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { MediaFile } from '../../client/client.ts'
import { count } from '../format.ts'
import { useApp, useVisit } from '../parts/app.ts'
import { useShortcuts } from '../parts/shortcuts.ts'
import { useSelected, useStore } from '../state/store.ts'
import { UploadPanel } from '../upload/panel.tsx'
import { Detail } from './detail.tsx'
import { Empty } from './empty.tsx'
import { Files } from './files.tsx'
import type { Library } from './library.ts'
import { copyLinks } from './links.ts'
import { SelectionBar } from './selection-bar.tsx'
import { Toolbar } from './toolbar.tsx'

/** Everything that was uploaded, with what runs above it. */
export function LibraryPage({ library }: { library: Library }) {
  const { places, queue, announce } = useApp()
  const place = useStore(places.store)
  const uploading = useSelected(queue.store, (items) => items.length > 0)
  const state = useStore(library.store)
  const hidden = useStore(library.hidden)
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set())
  const wanted = JSON.stringify(place.query)
  useEffect(() => library.open(JSON.parse(wanted)), [library, wanted])
  const files = useMemo(
    () => state.files.filter(({ id }) => !hidden.has(id)),
    [state.files, hidden],
  )
  const total = state.count - (state.files.length - files.length)
  const chosen = files.filter(({ id }) => selected.has(id))
  const filtered = Object.keys(place.query).some((name) => name !== 'ordering')
  const empty = state.loaded === 'all' && files.length === 0
  useEffect(() => {
    if (state.loaded !== null && filtered) announce(`${count(total, 'file')} found.`)
  }, [state.loaded === null, total, filtered])
  useLibraryShortcuts(files, chosen, setSelected)
  const busy = state.loaded === null
  // Hundreds of them: they are drawn anew only when they are others.
  const shown = useMemo(
    () => (
      <Files
        files={files}
        view={place.view}
        busy={busy}
        selected={selected}
        onSelect={setSelected}
      />
    ),
    [files, place.view, busy, selected],
  )
  return (
    <>
      <Toolbar total={state.loaded === null ? null : total} query={place.query} view={place.view} />
      <UploadPanel />
      {chosen.length > 0 && (
        <SelectionBar
          chosen={chosen}
          onDone={() => setSelected(new Set())}
          all={files}
          onAll={setSelected}
        />
      )}
      {state.trouble !== null && (
        <div class="panel trouble-box" role="alert">
          <p>{state.trouble}</p>
          <button type="button" class="button" onClick={() => library.retry()}>
            Try again
          </button>
        </div>
      )}
      {empty && (filtered || !uploading) && <Empty filtered={filtered} />}
      {shown}
      <Sentinel onSeen={() => library.more()} key={`${wanted} ${state.files.length}`} />
      {state.loading && state.loaded !== 'all' && <p class="hint">Loading…</p>}
      {place.file !== null && <Detail id={place.file} files={files} library={library} />}
    </>
  )
}

/** The end of the list: when it comes near, more is loaded. Anew after each page. */
function Sentinel({ onSeen }: { onSeen: () => void }) {
  const ref = useRef<HTMLDivElement>(null)
  const seen = useRef(onSeen)
  seen.current = onSeen
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => entries.some(({ isIntersecting }) => isIntersecting) && seen.current(),
      { rootMargin: '800px' },
    )
    if (ref.current) observer.observe(ref.current)
    return () => observer.disconnect()
  }, [])
  return <div ref={ref} class="sentinel" aria-hidden="true" />
}

function useLibraryShortcuts(
  files: readonly MediaFile[],
  chosen: readonly MediaFile[],
  setSelected: (ids: ReadonlySet<number>) => void,
): void {
  const { places, toasts } = useApp()
  const { client, deletion } = useVisit()
  /** What is selected, or where the focus is. */
  const meant = () => {
    if (chosen.length > 0) return chosen
    const id = Number(document.activeElement?.getAttribute('data-file'))
    return files.filter((file) => file.id === id)
  }
  useShortcuts({
    '/'() {
      const field = document.querySelector<HTMLInputElement>('#search')
      field?.focus()
      field?.select()
    },
    f: () => document.querySelector<HTMLButtonElement>('#filters-button')?.click(),
    v: () => places.go({ view: places.store.get().view === 'grid' ? 'list' : 'grid' }, 'replace'),
    'ctrl+a': () => setSelected(new Set(files.map(({ id }) => id))),
    Escape: () => chosen.length > 0 && setSelected(new Set()),
    c: () => meant().length > 0 && copyLinks(meant(), client, toasts),
    Delete() {
      const doomed = meant()
      if (doomed.length === 0) return false
      const at = files.findIndex(({ id }) => id === doomed[0]?.id)
      const ids = new Set(doomed.map(({ id }) => id))
      const next = [...files.slice(at), ...files.slice(0, at).reverse()].find(
        ({ id }) => !ids.has(id),
      )
      setSelected(new Set())
      deletion.remove(doomed)
      // Where the focus was is nothing any more.
      setTimeout(() => document.querySelector<HTMLElement>(`[data-file="${next?.id}"]`)?.focus())
    },
  })
}
