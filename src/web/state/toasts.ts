import { createStore, type Store } from './store.ts'

/** A word at the edge of the page that goes away by itself. */
export interface Toast {
  id: number
  text: string
  kind: 'info' | 'error'
  action: { label: string; run(): void } | null
}

export interface Toasts {
  store: Store<readonly Toast[]>
  /** Answers how to take it away early. */
  show(text: string, options?: ToastOptions): () => void
}

export interface ToastOptions {
  kind?: Toast['kind']
  /** Label and what it does; the toast goes away with it. */
  action?: readonly [label: string, run: () => void]
  /** Milliseconds; default 6,000, for errors 12,000. */
  stays?: number
}

const STAYS_MS = { info: 6_000, error: 12_000 }

export function createToasts(): Toasts {
  const store = createStore<readonly Toast[]>([])
  let last = 0
  return {
    store,
    show(text, { kind = 'info', action, stays = STAYS_MS[kind] } = {}) {
      last += 1
      const id = last
      const remove = () => {
        clearTimeout(timer)
        store.set(store.get().filter((toast) => toast.id !== id))
      }
      const timer = setTimeout(remove, stays)
      const [label = '', run = () => {}] = action ?? []
      const button = action && {
        label,
        run() {
          remove()
          run()
        },
      }
      // The same words twice say nothing new.
      const others = store.get().filter((toast) => toast.text !== text || toast.action !== null)
      store.set([...others, { id, text, kind, action: button ?? null }].slice(-4))
      return remove
    },
  }
}
