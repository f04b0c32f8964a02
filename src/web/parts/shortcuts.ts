import { useEffect, useRef } from 'preact/hooks'

/** What each key does; `ctrl+a` with Control, or Command on a Mac. False: nothing, after all. */
export type Shortcuts = Readonly<Record<string, () => unknown>>

/**
 * Keys that work wherever the focus is, but for fields that take text, and below a dialog that is
 * open. `inDialog`: these are the dialog's own.
 */
export function useShortcuts(shortcuts: Shortcuts, inDialog = false): void {
  const current = useRef(shortcuts)
  current.current = shortcuts
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { key, altKey, ctrlKey, metaKey, target } = event
      if (altKey || event.defaultPrevented || takesText(target)) return
      if (!inDialog && document.querySelector('dialog[open]')) return
      const name = key.length === 1 ? key.toLowerCase() : key
      const wanted = current.current[ctrlKey || metaKey ? `ctrl+${name}` : name]
      if (wanted && wanted() !== false) event.preventDefault()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [inDialog])
}

const plainInputs = new Set(['checkbox', 'radio', 'button', 'submit', 'file'])

function takesText(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return !plainInputs.has(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}
