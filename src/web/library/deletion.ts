import { type Client, LandfallError, type MediaFile } from '../../client/client.ts'
import { count } from '../format.ts'
import type { Toasts } from '../state/toasts.ts'
import { sentence } from '../words.ts'
import type { Library } from './library.ts'

/** Milliseconds in which a deletion can be taken back. */
const UNDO_MS = 8_000

export interface Deletion {
  /** They are gone from the page at once, and from the server when nobody has taken it back. */
  remove(files: readonly MediaFile[]): void
  /** The page is left, or its user: whatever waits is deleted now. */
  commit(): void
}

export interface DeletionDeps {
  client: Client
  library: Pick<Library, 'hidden' | 'refresh'>
  toasts: Toasts
}

/** Deletes with a while to think again: the server has no way to bring a file back. */
export function createDeletion({ client, library, toasts }: DeletionDeps): Deletion {
  const waiting = new Set<{ ids: number[]; timer: ReturnType<typeof setTimeout>; take(): void }>()

  const show = (ids: readonly number[]) => {
    const hidden = new Set(library.hidden.get())
    for (const id of ids) hidden.delete(id)
    library.hidden.set(hidden)
  }

  async function send(ids: readonly number[]): Promise<void> {
    const failed: unknown[] = []
    const left = [...ids]
    const one = async () => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) {
        try {
          await client.files.delete(id)
        } catch (error) {
          if (!(error instanceof LandfallError && error.status === 404)) failed.push(error)
        }
      }
    }
    await Promise.all([one(), one(), one(), one()])
    const [first] = failed
    if (first !== undefined) {
      const what = failed.length === 1 ? 'A file was' : `${count(failed.length, 'file')} were`
      toasts.show(`${what} not deleted. ${sentence(first)}`, { kind: 'error' })
    }
    library.refresh()
    // The list that comes next does not have them; one that is under way still may.
    setTimeout(() => show(ids), 2_000)
  }

  return {
    remove(files) {
      const ids = files.map(({ id }) => id)
      library.hidden.set(new Set([...library.hidden.get(), ...ids]))
      const [first] = files
      const what = files.length === 1 && first ? `“${first.name}”` : count(files.length, 'file')
      const take = toasts.show(`Deleted ${what}.`, {
        stays: UNDO_MS,
        action: ['Undo', () => undo()],
      })
      const timer = setTimeout(() => {
        waiting.delete(entry)
        void send(ids)
      }, UNDO_MS)
      const entry = { ids, timer, take }
      waiting.add(entry)
      const undo = () => {
        clearTimeout(timer)
        waiting.delete(entry)
        show(ids)
      }
    },
    commit() {
      for (const { ids, timer, take } of waiting) {
        clearTimeout(timer)
        take()
        for (const id of ids) {
          // Sent also when the page is gone before the answer; and with the token of this visit,
          // which the page has forgotten when somebody signs out.
          const init = { method: 'DELETE', keepalive: true }
          client.request(`/api/media/files/${id}`, init).catch(() => {})
        }
      }
      waiting.clear()
    },
  }
}
