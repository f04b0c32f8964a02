import type { Item } from './item.ts'

/** What this browser keeps of an upload, so that it goes on after a reload or a crash. */
export interface Kept {
  id: string
  /** Id of the user whose upload it is. */
  owner: number
  item: Item
  /** The way back to the file on disk, where the browser gives one. */
  handle: FileSystemFileHandle | null
  /** The file itself, where it is small and there is no handle. */
  file: File | null
  /** The upload session it goes into; null: into the library. */
  session: string | null
}

export interface Memory {
  load(owner: number): Promise<Kept[]>
  /** One of them, as it is now. */
  find(id: string): Promise<Kept | undefined>
  save(kept: readonly Kept[]): Promise<void>
  /** Only what changes while it runs; nothing where it is not kept. */
  update(items: readonly Item[]): Promise<void>
  remove(ids: readonly string[]): Promise<void>
}

const NAME = 'landfall'
const STORE = 'uploads'

/**
 * In IndexedDB, which can hold files and handles. Where there is none, as in some private windows,
 * nothing is kept and everything else works.
 */
export function createMemory(): Memory {
  let opening: Promise<IDBDatabase> | undefined
  const open = () => {
    opening ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(NAME, 1)
      request.onupgradeneeded = () =>
        request.result.createObjectStore(STORE, { keyPath: 'id' }).createIndex('owner', 'owner')
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
    return opening
  }

  async function inStore(work: (store: IDBObjectStore) => void): Promise<void> {
    try {
      const transaction = (await open()).transaction(STORE, 'readwrite')
      work(transaction.objectStore(STORE))
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve()
        transaction.onerror = () => reject(transaction.error)
        transaction.onabort = () => reject(transaction.error)
      })
    } catch (error) {
      console.info('This upload is not remembered after a reload:', error)
    }
  }

  async function read<T>(ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    try {
      const request = ask((await open()).transaction(STORE).objectStore(STORE))
      return await new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    } catch {
      return undefined
    }
  }

  return {
    load: async (owner) =>
      (await read<Kept[]>((store) => store.index('owner').getAll(owner))) ?? [],
    find: (id) => read<Kept | undefined>((store) => store.get(id)),
    save: (kept) =>
      inStore((store) => {
        for (const each of kept) store.put(each)
      }),
    update: (items) =>
      inStore((store) => {
        for (const item of items) {
          const request = store.get(item.id) as IDBRequest<Kept | undefined>
          request.onsuccess = () => {
            if (!request.result) return
            // What is done needs no file.
            const bytes = item.state === 'done' ? { handle: null, file: null } : {}
            store.put({ ...request.result, ...bytes, item })
          }
        }
      }),
    remove: (ids) =>
      inStore((store) => {
        for (const id of ids) store.delete(id)
      }),
  }
}
