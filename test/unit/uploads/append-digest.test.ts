import { describe, expect, it } from 'vitest'
import type { Digest, DigestJob } from '../../../src/streams/digest.ts'
import type { SavedDigest } from '../../../src/streams/digest-messages.ts'
import { openRunningDigest } from '../../../src/uploads/append-digest.ts'
import type { Core } from '../../../src/uploads/core.ts'
import type { Upload } from '../../../src/uploads/upload.ts'

const stateAt = (at: number): SavedDigest => ({ at, states: { sha256: 'AAAA' } })

/** A core whose digests do what they are told, on a storage with files or without. */
function coreWith({ files, saves = [] }: { files: boolean; saves?: (SavedDigest | Error)[] }) {
  const opened: (DigestJob & { path?: string })[] = []
  const told: unknown[] = []
  const digest: Digest = {
    async save() {
      const next = saves.shift()
      if (next instanceof Error) throw next
      return next ?? null
    },
    finish: async () => ({}),
    close: () => {},
  }
  const warned: unknown[] = []
  const core = {
    storage: files ? { localPath: (key: string) => `/files/${key}` } : {},
    digester: {
      open(job: DigestJob & { path: string }) {
        opened.push(job)
        return { ...digest, follow: (upTo: number) => void told.push(upTo) }
      },
      openFed(job: DigestJob) {
        opened.push(job)
        return { ...digest, feed: async (buffers: unknown) => void told.push(buffers) }
      },
    },
    log: { warn: (fields: object) => void warned.push(fields) },
  }
  return { core: core as unknown as Core<unknown>, opened, told, warned }
}

const uploadAt = (offset: number, digestState: SavedDigest | null, algorithms = 'sha256') =>
  ({
    id: 'a',
    offset,
    digestState,
    digestAlgorithms: algorithms,
    expectedDigest: null,
    storageKey: 'aa/a',
  }) as Upload

describe('a digest that runs along', () => {
  it('is told what was stored and not digested, where that can be read', async () => {
    const { core, opened, told } = coreWith({ files: true })
    const running = openRunningDigest(core, uploadAt(900, stateAt(500)))
    await running?.written(1000, [])
    expect(opened).toMatchObject([{ path: '/files/aa/a', state: stateAt(500), saves: true }])
    expect(told).toEqual([900, 1000])
  })

  it('is handed the bytes where they cannot be read', async () => {
    const { core, opened, told } = coreWith({ files: false })
    const running = openRunningDigest(core, uploadAt(500, stateAt(500)))
    const buffers = [Buffer.from('abc')]
    await running?.written(503, buffers)
    expect(opened).toMatchObject([{ state: stateAt(500), saves: true }])
    expect(told).toEqual([buffers])
  })

  it.each([
    [500, null],
    [500, stateAt(400)],
  ])('there is none at %i bytes with the state %j, where nothing can be read', (offset, state) => {
    const { core, opened } = coreWith({ files: false })
    expect(openRunningDigest(core, uploadAt(offset, state))).toBeUndefined()
    expect(opened).toEqual([])
  })

  it('there is none of an algorithm whose state cannot be kept', () => {
    for (const files of [true, false]) {
      const { core, opened } = coreWith({ files })
      expect(openRunningDigest(core, uploadAt(0, null, 'sha256 sha512-256'))).toBeUndefined()
      expect(opened).toEqual([])
    }
  })

  it('that fails gives its last good state: only what came after that is read again', async () => {
    const saves = [new Error('away'), stateAt(700), new Error('away'), new Error('away')]
    const { core, warned } = coreWith({ files: false, saves })
    const running = openRunningDigest(core, uploadAt(500, stateAt(500)))
    const states = [
      await running?.save(600),
      await running?.save(700),
      await running?.save(800),
      await running?.save(900),
    ]
    expect(states).toEqual([stateAt(500), stateAt(700), stateAt(700), stateAt(700)])
    expect(warned).toHaveLength(3)
  })
})
