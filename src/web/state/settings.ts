import { createStore, type Store } from './store.ts'

export type Theme = 'system' | 'light' | 'dark'

export interface Settings {
  theme: Theme
  /** Uploads that run at the same time. */
  parallel: number
}

/** A browser opens six connections to a server, and the page wants some for itself. */
export const PARALLEL = [1, 2, 3, 4]

const KEY = 'landfall.settings'
const usual: Settings = { theme: 'system', parallel: 3 }

/** What this browser is set to, kept in it. */
export function createSettings(): Store<Settings> {
  const store = createStore(read())
  const apply = () => {
    const { theme } = store.get()
    if (theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
  }
  apply()
  store.watch(() => {
    apply()
    try {
      localStorage.setItem(KEY, JSON.stringify(store.get()))
    } catch {
      // A browser that keeps nothing: it holds until the page is closed.
    }
  })
  return store
}

function read(): Settings {
  try {
    const { theme, parallel } = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Settings>
    return {
      theme: theme === 'light' || theme === 'dark' ? theme : usual.theme,
      parallel: PARALLEL.find((count) => count === parallel) ?? usual.parallel,
    }
  } catch {
    return usual
  }
}
