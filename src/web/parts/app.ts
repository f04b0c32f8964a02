import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Client, User } from '../../client/client.ts'
import type { Deletion } from '../library/deletion.ts'
import type { Library } from '../library/library.ts'
import type { Thumbnails } from '../library/thumbnails.ts'
import type { Places } from '../state/places.ts'
import type { Session } from '../state/session.ts'
import type { Settings } from '../state/settings.ts'
import type { Store } from '../state/store.ts'
import type { Toasts } from '../state/toasts.ts'
import type { Queue } from '../upload/queue.ts'

/** What the whole page stands on. */
export interface App {
  session: Session
  places: Places
  settings: Store<Settings>
  toasts: Toasts
  queue: Queue
  /** Said to those who listen to the page. */
  announce(text: string): void
  /** Whether the list of keyboard shortcuts is open. */
  help: Store<boolean>
}

/** What there is for somebody who is signed in. */
export interface Visit {
  user: User
  client: Client
  /** Null for users who may upload and not look at the library. */
  library: Library | null
  deletion: Deletion
  thumbnails: Thumbnails
}

export const AppContext = createContext<App | null>(null)
export const VisitContext = createContext<Visit | null>(null)

export function useApp(): App {
  const app = useContext(AppContext)
  if (app === null) throw new Error('There is no page around this.')
  return app
}

export function useVisit(): Visit {
  const visit = useContext(VisitContext)
  if (visit === null) throw new Error('Nobody is signed in.')
  return visit
}
