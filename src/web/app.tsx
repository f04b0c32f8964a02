import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Client, User } from '../client/client.ts'
import { createDeletion } from './library/deletion.ts'
import { createLibrary } from './library/library.ts'
import { LibraryPage } from './library/page.tsx'
import { createThumbnails } from './library/thumbnails.ts'
import { Accounts } from './pages/accounts.tsx'
import { OwnUploads } from './pages/own-uploads.tsx'
import { Sessions } from './pages/sessions.tsx'
import { useApp, type Visit, VisitContext } from './parts/app.ts'
import { Header } from './parts/header.tsx'
import { Help } from './parts/help.tsx'
import { SignIn } from './parts/sign-in.tsx'
import { ToastList } from './parts/toast-list.tsx'
import { followLive } from './state/live.ts'
import { rightsOf } from './state/rights.ts'
import { useStore } from './state/store.ts'
import { DropZone } from './upload/drop-zone.tsx'
import { UploadWatch } from './upload/watch.ts'

export function Root() {
  const { session } = useApp()
  const state = useStore(session.store)
  return (
    <>
      {state.kind === 'in' && (
        <SignedIn key={state.user.id} user={state.user} client={state.client} />
      )}
      {state.kind === 'out' && <SignIn trouble={state.trouble} busy={false} />}
      {state.kind === 'asking' && <p class="wait">One moment…</p>}
      {state.kind === 'away' && (
        <main class="wait">
          <p role="alert">{state.trouble}</p>
          <button type="button" class="button primary" onClick={() => session.begin()}>
            Try again
          </button>
        </main>
      )}
      <ToastList />
    </>
  )
}

function SignedIn({ user, client }: { user: User; client: Client }) {
  const { places, help } = useApp()
  const visit = useVisitOf(user, client)
  const live = useLive(visit)
  const { page } = useStore(places.store)
  const helping = useStore(help)
  const rights = rightsOf(user)
  return (
    <VisitContext.Provider value={visit}>
      <Header user={user} live={live} />
      <main id="main">
        {page === 'library' &&
          (visit.library ? <LibraryPage library={visit.library} /> : <OwnUploads />)}
        {page === 'sessions' && <Sessions />}
        {page === 'accounts' &&
          (rights.accounts ? <Accounts /> : <p class="hint">Accounts are for admins.</p>)}
      </main>
      {helping && <Help />}
      <UploadWatch />
      {page !== 'sessions' && <DropZone />}
    </VisitContext.Provider>
  )
}

/** What there is for this user, from signing in to signing out. */
function useVisitOf(user: User, client: Client): Visit {
  const { queue, toasts } = useApp()
  const visit = useMemo(() => {
    const library = rightsOf(user).library ? createLibrary(client) : null
    const shown = library ?? createLibrary(client)
    const deletion = createDeletion({ client, library: shown, toasts })
    return { user, client, library, deletion, thumbnails: createThumbnails(client) }
  }, [client])
  useEffect(() => {
    void queue.enter(user.id, visit.library === null)
    const commit = () => visit.deletion.commit()
    const hurry = () => document.visibilityState === 'visible' && queue.hurry()
    addEventListener('pagehide', commit)
    addEventListener('online', queue.hurry)
    document.addEventListener('visibilitychange', hurry)
    return () => {
      removeEventListener('pagehide', commit)
      removeEventListener('online', queue.hurry)
      document.removeEventListener('visibilitychange', hurry)
      commit()
      queue.leave()
      visit.library?.close()
      visit.thumbnails.close()
    }
  }, [visit])
  return visit
}

/** Whether what others upload appears by itself. */
function useLive({ client, library }: Visit): boolean {
  const [live, setLive] = useState(false)
  useEffect(() => {
    if (library === null) return
    return followLive({
      client,
      onEvent: library.hear,
      onLook: library.refresh,
      onState: (state) => setLive(state === 'live'),
    })
  }, [client, library])
  return live
}
