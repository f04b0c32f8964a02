import { useEffect, useRef } from 'preact/hooks'
import { useStore } from '../state/store.ts'
import { useApp } from './app.ts'

/** Words at the edge of the page, above open dialogs too. Those who listen are told by `announce`. */
export function ToastList() {
  const toasts = useStore(useApp().toasts.store)
  const ref = useRef<HTMLDivElement>(null)
  const any = toasts.length > 0
  const newest = toasts.at(-1)?.id
  useEffect(() => {
    const list = ref.current as HTMLDivElement & { hidePopover?(): void; showPopover?(): void }
    // Shown anew it is above whatever was opened since.
    if (list.matches(':popover-open')) list.hidePopover?.()
    if (any) list.showPopover?.()
  }, [any, newest])
  return (
    <div ref={ref} class="toasts" popover="manual">
      {toasts.map(({ id, text, kind, action }) => (
        <div key={id} class={`toast ${kind}`}>
          <p>{text}</p>
          {action && (
            <button type="button" class="button quiet" onClick={action.run}>
              {action.label}
            </button>
          )}
        </div>
      ))}
    </div>
  )
}
