import { useState } from 'preact/hooks'
import { count, formatBytes, formatSeconds } from '../format.ts'
import { useApp } from '../parts/app.ts'
import { Icon } from '../parts/icons.tsx'
import { PARALLEL } from '../state/settings.ts'
import { useStore } from '../state/store.ts'
import { type Item, isOpen, isRunning, type Summary, summarise } from './item.ts'
import { UploadRow } from './row.tsx'

/** Rows that are drawn: of ten thousand files nobody reads more. */
const SHOWN = 100

/** What moves first, then what needs somebody, what waits, and what is done. */
const order: Readonly<Record<Item['state'], number>> = {
  failed: 0,
  detached: 0,
  locked: 0,
  finishing: 1,
  sending: 1,
  retrying: 1,
  paused: 2,
  waiting: 3,
  done: 4,
}

/** All uploads of this browser: how far they are, and what can be done about them. */
export function UploadPanel({ title = 'Uploads' }: { title?: string }) {
  const { queue, settings } = useApp()
  const items = useStore(queue.store)
  const all = useStore(settings)
  const [wide, setWide] = useState(true)
  if (items.length === 0) return null
  const sum = summarise(items)
  const sorted = [...items].sort((left, right) => order[left.state] - order[right.state])
  const running = items.some(isRunning)
  const stopped = items.some(({ state }) => ['paused', 'locked'].includes(state))
  const over = items.some((item) => !isOpen(item))
  return (
    <section class="panel uploads" aria-labelledby="uploads-title">
      <header class="panel-head">
        <h2 id="uploads-title">{title}</h2>
        <p class="sum">{wordsOf(sum)}</p>
        <span class="space" />
        <label class="inline">
          <span>At a time</span>
          <select
            value={all.parallel}
            onChange={(event) =>
              settings.set({ ...all, parallel: Number(event.currentTarget.value) })
            }
          >
            {PARALLEL.map((number) => (
              <option key={number} value={number}>
                {number}
              </option>
            ))}
          </select>
        </label>
        {running && (
          <button type="button" class="button quiet" onClick={() => queue.pause()}>
            <Icon name="pause" /> Pause all
          </button>
        )}
        {!running && stopped && (
          <button type="button" class="button quiet" onClick={() => queue.resume()}>
            <Icon name="play" /> Resume all
          </button>
        )}
        {over && (
          <button type="button" class="button quiet" onClick={() => queue.clear()}>
            Clear finished
          </button>
        )}
        <button
          type="button"
          class="icon-button"
          aria-expanded={wide}
          aria-label={wide ? 'Hide the list of uploads' : 'Show the list of uploads'}
          onClick={() => setWide(!wide)}
        >
          <Icon name={wide ? 'up' : 'down'} />
        </button>
      </header>
      {sum.open > 0 && (
        <progress class="total" aria-label="All uploads" max={sum.size || 1} value={sum.sent} />
      )}
      {wide && (
        <ul class="rows" aria-label={title}>
          {sorted.slice(0, SHOWN).map((item) => (
            <UploadRow key={item.id} item={item} />
          ))}
        </ul>
      )}
      {wide && items.length > SHOWN && (
        <p class="hint">And {count(items.length - SHOWN, 'more file')}.</p>
      )}
    </section>
  )
}

function wordsOf({ open, done, failed, stopped, sent, size, speed, left }: Summary): string {
  if (open === 0) {
    return failed > 0 ? `${done} done, ${failed} failed` : `${count(done, 'file')} uploaded`
  }
  return [
    `${done} of ${open + done} done`,
    `${formatBytes(sent)} of ${formatBytes(size)}`,
    speed > 0 ? `${formatBytes(speed)}/s` : '',
    left === null ? '' : `${formatSeconds(left)} left`,
    stopped > 0 ? `${stopped} stopped` : '',
    failed > 0 ? `${failed} failed` : '',
  ]
    .filter((part) => part !== '')
    .join(' · ')
}
