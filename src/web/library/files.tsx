import { useRef, useState } from 'preact/hooks'
import type { MediaFile } from '../../client/client.ts'
import { formatAge, formatTime } from '../format.ts'
import { useApp } from '../parts/app.ts'
import type { Place } from '../state/place.ts'
import { Thumbnail } from './thumbnail.tsx'

interface FilesProps {
  files: readonly MediaFile[]
  view: Place['view']
  /** Others are on their way. */
  busy: boolean
  selected: ReadonlySet<number>
  onSelect: (ids: ReadonlySet<number>) => void
}

/**
 * The files as pictures or as lines. One of them is in the order of the Tab key; from there the
 * arrow keys lead to the others.
 */
export function Files({ files, view, busy, selected, onSelect }: FilesProps) {
  const { places } = useApp()
  const [current, setCurrent] = useState<number | null>(null)
  const anchor = useRef<number | null>(null)
  const list = useRef<HTMLUListElement>(null)
  const active = files.some(({ id }) => id === current) ? current : (files[0]?.id ?? null)

  const toggle = (id: number, range: boolean) => {
    const next = new Set(selected)
    const ids = files.map((file) => file.id)
    const [from, to] = [ids.indexOf(anchor.current ?? -1), ids.indexOf(id)]
    if (range && from >= 0) {
      for (const each of ids.slice(Math.min(from, to), Math.max(from, to) + 1)) next.add(each)
    } else if (!next.delete(id)) next.add(id)
    anchor.current = id
    onSelect(next)
  }

  const onKey = (event: KeyboardEvent, id: number) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key.toLowerCase() === 'x') {
      event.preventDefault()
      return toggle(id, event.shiftKey)
    }
    const buttons = [...(list.current?.querySelectorAll<HTMLElement>('.open-file') ?? [])]
    const at = buttons.indexOf(event.currentTarget as HTMLElement)
    const next = buttons[placeAfter(event.key, at, buttons)]
    if (!next) return
    event.preventDefault()
    next.focus()
  }

  if (files.length === 0) return null
  return (
    <ul ref={list} class={`files ${view}`} aria-label="Files" aria-busy={busy}>
      {files.map((file) => (
        <FileItem
          key={file.id}
          file={file}
          view={view}
          selected={selected.has(file.id)}
          active={file.id === active}
          selecting={selected.size > 0}
          onToggle={(range) => toggle(file.id, range)}
          onFocus={() => setCurrent(file.id)}
          onKey={(event) => onKey(event, file.id)}
          onOpen={() => places.go({ file: file.id })}
        />
      ))}
    </ul>
  )
}

interface FileItemProps {
  file: MediaFile
  view: Place['view']
  selected: boolean
  active: boolean
  selecting: boolean
  onToggle: (range: boolean) => void
  onFocus: () => void
  onKey: (event: KeyboardEvent) => void
  onOpen: () => void
}

function FileItem({ file, view, selected, active, selecting, ...on }: FileItemProps) {
  const { id, name, human_readable_size: size, user, created_at: at } = file
  const pixels = file.width && file.height ? `${file.width} × ${file.height}` : ''
  return (
    <li class={selected ? 'file selected' : 'file'}>
      <button
        type="button"
        class="open-file"
        data-file={id}
        tabIndex={active ? 0 : -1}
        onFocus={on.onFocus}
        onKeyDown={on.onKey}
        onClick={(event) => {
          if (event.shiftKey || event.ctrlKey || event.metaKey) on.onToggle(event.shiftKey)
          else on.onOpen()
        }}
      >
        <Thumbnail file={file} width={view === 'grid' ? 320 : 80} />
        <span class="file-name" title={name}>
          {name || `File ${id}`}
        </span>
        <span class="file-facts">
          <span>{size}</span>
          {view === 'list' && <span class="pixels">{pixels}</span>}
          {view === 'list' && <span class="owner">{user?.full_name ?? 'anonymous'}</span>}
          <time dateTime={at} title={formatTime(at)}>
            {formatAge(at)}
          </time>
        </span>
      </button>
      <input
        type="checkbox"
        class={selecting ? 'select-file always' : 'select-file'}
        aria-label={`Select ${name}`}
        checked={selected}
        tabIndex={active ? 0 : -1}
        onClick={(event) => on.onToggle(event.shiftKey)}
      />
    </li>
  )
}

/** Where an arrow key leads, by what is seen: the first of the next line that is not further left. */
function placeAfter(key: string, at: number, buttons: readonly HTMLElement[]): number {
  if (key === 'ArrowRight') return at + 1
  if (key === 'ArrowLeft') return at - 1
  if (key === 'Home') return 0
  if (key === 'End') return buttons.length - 1
  if (key !== 'ArrowDown' && key !== 'ArrowUp') return -1
  const here = buttons[at]?.getBoundingClientRect()
  if (!here) return -1
  const step = key === 'ArrowDown' ? 1 : -1
  for (let next = at + step; next >= 0 && next < buttons.length; next += step) {
    const there = buttons[next]?.getBoundingClientRect()
    if (!there || Math.abs(there.top - here.top) < 4) continue
    if (Math.abs(there.left - here.left) < 4) return next
    // A last line that is shorter ends to the left of here.
    if (step === 1 && next === buttons.length - 1) return next
  }
  return -1
}
