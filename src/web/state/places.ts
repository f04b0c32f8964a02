import { type Place, readPlace, writePlace } from './place.ts'
import { createStore, type Store } from './store.ts'

export interface Places {
  store: Store<Place>
  /** Goes there; `replace` where going back should not lead here. */
  go(change: Partial<Place>, how?: 'push' | 'replace'): void
  /** Closes the file that is shown: back to where it was opened, if that was on this page. */
  closeFile(): void
  /** Sets filters; an empty value takes one away. */
  filter(change: Readonly<Record<string, string>>): void
}

/** Beside the places of the history that this page has made. */
const PUSHED = 'landfall'

/** Keeps the place and the address bar in step. */
export function createPlaces(): Places {
  const store = createStore(readPlace(location.search))
  addEventListener('popstate', () => store.set(readPlace(location.search)))
  const go: Places['go'] = (change, how = 'push') => {
    const next = { ...store.get(), ...change }
    const url = `${location.pathname}${writePlace(next)}`
    if (how === 'push') history.pushState(PUSHED, '', url)
    else history.replaceState(history.state, '', url)
    store.set(next)
  }
  return {
    store,
    go,
    closeFile() {
      if (history.state === PUSHED) history.back()
      else go({ file: null }, 'replace')
    },
    filter(change) {
      const all = Object.entries({ ...store.get().query, ...change })
      go({ query: Object.fromEntries(all.filter(([, value]) => value !== '')) }, 'replace')
    },
  }
}
