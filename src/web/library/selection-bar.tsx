import type { MediaFile } from '../../client/client.ts'
import { count, formatBytes } from '../format.ts'
import { useApp, useVisit } from '../parts/app.ts'
import { Icon } from '../parts/icons.tsx'
import { copyLinks } from './links.ts'

interface SelectionBarProps {
  chosen: readonly MediaFile[]
  /** Everything that is shown. */
  all: readonly MediaFile[]
  onAll: (ids: ReadonlySet<number>) => void
  onDone: () => void
}

/** What can be done with many files at once. */
export function SelectionBar({ chosen, all, onAll, onDone }: SelectionBarProps) {
  const { toasts } = useApp()
  const { client, deletion } = useVisit()
  const bytes = chosen.reduce((sum, { size }) => sum + size, 0)
  return (
    <section class="selection" aria-label="Selected files">
      <p role="status">
        <strong>{count(chosen.length, 'file')} selected</strong>
        <span class="dim"> {formatBytes(bytes)}</span>
      </p>
      <span class="space" />
      {chosen.length < all.length && (
        <button
          type="button"
          class="button quiet"
          onClick={() => onAll(new Set(all.map(({ id }) => id)))}
        >
          Select all {all.length}
        </button>
      )}
      <button type="button" class="button quiet" onClick={() => copyLinks(chosen, client, toasts)}>
        <Icon name="link" /> Copy links
      </button>
      <button
        type="button"
        class="button quiet danger"
        onClick={() => {
          deletion.remove(chosen)
          onDone()
        }}
      >
        <Icon name="trash" /> Delete
      </button>
      <button type="button" class="icon-button" aria-label="Give up the selection" onClick={onDone}>
        <Icon name="close" />
      </button>
    </section>
  )
}
