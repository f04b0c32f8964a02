import { type Client, createClient, LandfallError, type User } from '../../client/client.ts'
import { sentence } from '../words.ts'
import { createStore, type Store } from './store.ts'

/**
 * - `asking`: a token is there, and the server is asked whose it is
 * - `away`: a token is there, and the server does not answer
 */
export type SessionState =
  | { kind: 'out'; trouble: string | null }
  | { kind: 'asking' }
  | { kind: 'away'; trouble: string }
  | { kind: 'in'; user: User; client: Client }

export interface Session {
  store: Store<SessionState>
  /** Takes up the token that this browser has kept. */
  begin(): Promise<void>
  /** `keep`: until somebody signs out; otherwise until the tab is closed. */
  signIn(token: string, keep: boolean): Promise<void>
  signOut(): void
  /** The server does not know the token any more. */
  end(): void
  /** Of the token that is in use; null: there is none. */
  headers(): Record<string, string> | null
}

const KEY = 'landfall.token'
const ENDED = 'Your token is not valid any more. Sign in again: your uploads go on then.'

/** Who is signed in. The token is kept by this browser and sent to this server only. */
export function createSession(): Session {
  const store = createStore<SessionState>({ kind: 'asking' })
  let token: string | null = null

  async function ask(given: string, onGood: () => void): Promise<void> {
    store.set({ kind: 'asking' })
    const client = createClient({ token: given, fetch: watched })
    try {
      const user = await client.me()
      token = given
      onGood()
      store.set({ kind: 'in', user, client })
    } catch (error) {
      const status = error instanceof LandfallError ? error.status : 0
      if (status === 401) {
        forget()
        const trouble =
          'The server does not know this token. Check it, or ask an admin for a new one.'
        store.set({ kind: 'out', trouble })
      } else store.set({ kind: 'away', trouble: sentence(error) })
    }
  }

  /** A token that has ended while the page was open ends the visit. */
  const watched: typeof fetch = async (...args) => {
    const answer = await fetch(...args)
    if (answer.status === 401 && store.get().kind === 'in') signOut(ENDED)
    return answer
  }

  function signOut(trouble: string | null): void {
    token = null
    forget()
    store.set({ kind: 'out', trouble })
  }

  return {
    store,
    async begin() {
      const kept = read()
      if (kept === null) return store.set({ kind: 'out', trouble: null })
      await ask(kept, () => {})
    },
    async signIn(given, keep) {
      const plain = given.trim().replace(/^(?:Token|Bearer)\s+/i, '')
      // Nothing else can stand in a header.
      if (!/^[!-~]+$/.test(plain)) {
        const trouble = 'A token has no spaces and only plain letters, digits and signs.'
        return store.set({ kind: 'out', trouble })
      }
      await ask(plain, () => {
        forget()
        write(plain, keep)
      })
      if (store.get().kind === 'away') store.set({ kind: 'out', trouble: sentence(gone) })
    },
    signOut: () => signOut(null),
    end: () => signOut(ENDED),
    headers: () => (token === null ? null : { Authorization: `Token ${token}` }),
  }
}

const gone = new LandfallError('', { status: 0 })

function read(): string | null {
  try {
    return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY)
  } catch {
    return null
  }
}

function write(token: string, keep: boolean): void {
  try {
    const storage = keep ? localStorage : sessionStorage
    storage.setItem(KEY, token)
  } catch {
    // A browser that keeps nothing: signed in until the page is closed.
  }
}

function forget(): void {
  try {
    sessionStorage.removeItem(KEY)
    localStorage.removeItem(KEY)
  } catch {
    // Nothing was kept.
  }
}
