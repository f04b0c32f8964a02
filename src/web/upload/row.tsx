import { formatBytes, formatSeconds } from '../format.ts'
import { useApp, useVisit } from '../parts/app.ts'
import { Icon, type IconName } from '../parts/icons.tsx'
import { useAction } from '../parts/use-action.ts'
import { chooseFiles } from './choose.ts'
import type { Item } from './item.ts'
import { openUpload } from './open.ts'

/** One upload: its name, how far it is, and what can be done about it. */
export function UploadRow({ item }: { item: Item }) {
  const { name, folder, size, sent, state } = item
  const percent = size === 0 ? 0 : Math.floor((sent / size) * 100)
  const moving = state !== 'done' && state !== 'failed'
  return (
    <li class={`row ${state}`}>
      <div class="row-main">
        <p class="name">
          {folder && <span class="dim">{folder}/</span>}
          {name}
        </p>
        <p class="state">
          <StateWords item={item} percent={percent} />
        </p>
        {moving && <progress aria-label={`Progress of ${name}`} max={100} value={percent} />}
      </div>
      <Actions item={item} />
    </li>
  )
}

function StateWords({ item, percent }: { item: Item; percent: number }) {
  const { state, sent, size, speed, trouble } = item
  const soFar = `${percent} % of ${formatBytes(size)}`
  switch (state) {
    case 'waiting':
      return trouble ?? (sent > 0 ? `Waiting, ${soFar} there` : `Waiting, ${formatBytes(size)}`)
    case 'sending': {
      const left = speed ? ` · ${formatSeconds((size - sent) / speed)} left` : ''
      return soFar + (speed ? ` · ${formatBytes(speed)}/s${left}` : '')
    }
    case 'finishing':
      return 'Finishing: the server looks at the file'
    case 'retrying':
      return <strong>{trouble}</strong>
    case 'paused':
      return `Paused at ${soFar}`
    case 'locked':
      return `Stopped at ${soFar}. Resume, and let the browser read the file.`
    case 'detached':
      return (
        <strong>
          Stopped at {soFar}. Drop or choose the same file again: it goes on where it stopped.
        </strong>
      )
    case 'failed':
      return <strong>{trouble}</strong>
    case 'done':
      return `Done, ${formatBytes(size)}`
  }
}

function Actions({ item }: { item: Item }) {
  const { queue, places, toasts } = useApp()
  const { library, client } = useVisit()
  const { id, name, state, fileId, link } = item
  const open = useAction(() => openUpload(item, client))
  const attach = async () => {
    const [chosen] = (await chooseFiles(false))?.found ?? []
    if (chosen && !queue.attach(id, chosen)) {
      const text = `That is another file. Choose “${name}” with ${formatBytes(item.size)}.`
      toasts.show(text, { kind: 'error' })
    }
  }
  const button = (icon: IconName, words: string, run: () => void) => (
    <button
      type="button"
      class="icon-button"
      aria-label={`${words} ${name}`}
      title={words}
      onClick={run}
    >
      <Icon name={icon} />
    </button>
  )
  return (
    <div class="row-actions">
      {(state === 'sending' || state === 'waiting') &&
        button('pause', 'Pause', () => queue.pause(id))}
      {(state === 'paused' || state === 'locked') &&
        button('play', 'Resume', () => void queue.resume(id))}
      {(state === 'retrying' || state === 'failed') &&
        button('retry', 'Retry', () => void queue.resume(id))}
      {state === 'detached' && button('folder', 'Choose the file again:', attach)}
      {state === 'done' && fileId !== null && library && (
        <button
          type="button"
          class="button quiet"
          aria-label={`Show ${name}`}
          onClick={() => places.go({ page: 'library', file: fileId })}
        >
          Show
        </button>
      )}
      {state === 'done' && link !== null && !library && (
        <button
          type="button"
          class="button quiet"
          aria-label={`Open ${name}`}
          onClick={() => open()}
        >
          Open
        </button>
      )}
      {state === 'done' && (
        <span class="badge good">
          <Icon name="check" size={16} />
        </span>
      )}
      {state !== 'done' &&
        state !== 'finishing' &&
        button('close', 'Cancel', () => queue.cancel(id))}
    </div>
  )
}
