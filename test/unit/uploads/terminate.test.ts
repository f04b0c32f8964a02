import { expect, it } from 'vitest'
import type { Core } from '../../../src/uploads/core.ts'
import type { HeldLock } from '../../../src/uploads/lock.ts'
import { removeBytes, terminate } from '../../../src/uploads/terminate.ts'
import type { Upload } from '../../../src/uploads/upload.ts'

const id = '00000000-0000-4000-8000-000000000000'
const lock: HeldLock = {
  id,
  owner: null,
  epoch: null,
  givenBack() {},
  asked: new AbortController().signal,
  isOurs: () => true,
  release() {},
}

it('keeps a file that was published meanwhile, where it is told to', async () => {
  let unpublished = 0
  const upload = { id, state: 'promoted', door: 'session', storageKey: 'a', finalKey: null }
  const core = {
    repo: { get: async () => upload as Upload, change: async () => true },
    storage: { remove: async () => {} },
    hooks: {
      async unpublish() {
        unpublished++
      },
      derivedKeys: () => [],
    },
    meter: { ended() {} },
    at() {},
  } as unknown as Core<unknown>
  await expect(terminate(core, lock, { keepsPublished: true })).rejects.toMatchObject({
    reason: 'upload-ended',
  })
  expect(unpublished).toBe(0)
  await terminate(core, lock)
  expect(unpublished).toBe(1)
})

it('removes what lies beside the bytes first, so that no manifest is left without them', async () => {
  const removed: string[] = []
  const core = {
    repo: { change: async () => true },
    storage: { remove: async (key: string) => void removed.push(key) },
    hooks: { derivedKeys: (key: string) => [`${key}.manifest.json`] },
    at() {},
  } as unknown as Core<unknown>
  await removeBytes(core, { id, storageKey: 'a.part', finalKey: 'a.done' })
  expect(removed).toEqual(['a.done.manifest.json', 'a.part', 'a.done'])
})
