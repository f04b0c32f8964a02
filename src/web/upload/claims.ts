export interface Claims {
  /** Resolves when this tab is the one that goes on with the upload: at once, or when others end. */
  claim(id: string): Promise<void>
  release(id: string): void
}

/**
 * Of several tabs one goes on with an upload: the one that holds the lock of its name, which the
 * browser takes back when the tab ends, however it ends. Where there are no locks (a page without
 * TLS), every tab may: the server lets one at a time write, and no byte is lost by it.
 */
export function createClaims(): Claims {
  const held = new Map<string, () => void>()
  return {
    claim(id) {
      const { locks } = navigator as { locks?: LockManager }
      if (!locks || held.has(id)) return Promise.resolve()
      return new Promise((resolve) => {
        const request = locks.request(`landfall ${id}`, () => {
          resolve()
          return new Promise<void>((release) => held.set(id, release))
        })
        request.catch(() => resolve())
      })
    },
    release(id) {
      held.get(id)?.()
      held.delete(id)
    },
  }
}
