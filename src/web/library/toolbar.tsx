import { useEffect, useRef, useState } from 'preact/hooks'
import { count } from '../format.ts'
import { useApp } from '../parts/app.ts'
import { Icon } from '../parts/icons.tsx'
import type { Place } from '../state/place.ts'
import { ChooseButtons } from '../upload/drop-zone.tsx'
import { Filters } from './filters.tsx'
import { filterNames, orderings, wordsOfFilter } from './query.ts'

interface ToolbarProps {
  /** Null: not known yet. */
  total: number | null
  query: Place['query']
  view: Place['view']
}

/** Search, filters, order and kind of view, all of it in the URL. */
export function Toolbar({ total, query, view }: ToolbarProps) {
  const { places } = useApp()
  const [filtering, setFiltering] = useState(false)
  const active = filterNames.filter((name) => query[name] !== undefined)
  return (
    <section class="toolbar" aria-label="Find files">
      <h1 class="unseen">Library</h1>
      <div class="toolbar-line">
        <SearchField value={query.search ?? ''} />
        <button
          id="filters-button"
          type="button"
          class={active.length > 0 ? 'button on' : 'button'}
          aria-expanded={filtering}
          onClick={() => setFiltering(!filtering)}
        >
          <Icon name="filter" /> Filters{active.length > 0 && ` (${active.length})`}
        </button>
        <Ordering value={query.ordering ?? '-created_at'} />
        <button
          type="button"
          class="icon-button framed"
          aria-label={view === 'grid' ? 'Show as a list' : 'Show as a grid'}
          title={view === 'grid' ? 'Show as a list (V)' : 'Show as a grid (V)'}
          onClick={() => places.go({ view: view === 'grid' ? 'list' : 'grid' }, 'replace')}
        >
          <Icon name={view === 'grid' ? 'list' : 'grid'} />
        </button>
        <ChooseButtons />
      </div>
      {filtering && <Filters query={query} />}
      <div class="chips">
        <span class="dim total-count">{total === null ? ' ' : count(total, 'file')}</span>
        {active.map((name) => (
          <button
            key={name}
            type="button"
            class="chip"
            aria-label={`Take away the filter: ${wordsOfFilter(name, query[name] ?? '')}`}
            onClick={() => places.filter({ [name]: '' })}
          >
            {wordsOfFilter(name, query[name] ?? '')} <Icon name="close" size={14} />
          </button>
        ))}
      </div>
    </section>
  )
}

/** Milliseconds after the last letter. */
const TYPING_MS = 250

function SearchField({ value }: { value: string }) {
  const { places } = useApp()
  const [text, setText] = useState(value)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const typed = useRef(value)
  useEffect(() => {
    // Changed from elsewhere, as by going back.
    if (value !== typed.current.trim()) setText(value)
    typed.current = value
  }, [value])
  return (
    <label class="search">
      <Icon name="search" />
      <span class="unseen">Search by name</span>
      <input
        id="search"
        type="search"
        placeholder="Search by name"
        value={text}
        onInput={(event) => {
          const now = event.currentTarget.value
          setText(now)
          typed.current = now
          clearTimeout(timer.current)
          timer.current = setTimeout(() => places.filter({ search: now.trim() }), TYPING_MS)
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur()
        }}
      />
    </label>
  )
}

function Ordering({ value }: { value: string }) {
  const { places } = useApp()
  const key = value.replace(/^-/, '')
  const descending = value.startsWith('-')
  const known = orderings.some(([name]) => name === key)
  const set = (to: string) => places.filter({ ordering: to === '-created_at' ? '' : to })
  return (
    <span class="ordering">
      <select
        aria-label="Order by"
        value={key}
        onChange={(event) => {
          const name = event.currentTarget.value
          // Newest and largest first, but names from A on.
          const starts = orderings.find(([each]) => each === name)?.[2] ?? ''
          set(`${starts}${name}`)
        }}
      >
        {!known && <option value={key}>{value}</option>}
        {orderings.map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="icon-button framed"
        aria-label={
          descending ? 'Descending: change to ascending' : 'Ascending: change to descending'
        }
        title={descending ? 'Descending' : 'Ascending'}
        onClick={() => set(descending ? key : `-${key}`)}
      >
        <Icon name={descending ? 'down' : 'up'} />
      </button>
    </span>
  )
}
