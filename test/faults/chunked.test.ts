import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Step } from '../../src/uploads/core.ts'
import { type ChunkedUpload, chunk, chunkedClient, digest } from '../support/chunked.ts'
import { createHome, type Home, type ServerProcess } from '../support/process.ts'
import { ADMIN_KEY } from '../support/server.ts'

const bytes = randomBytes(3000)
const clientOf = ({ url }: ServerProcess) => chunkedClient(url, `Token ${ADMIN_KEY}`)

/** Where an upload of three chunks dies, and how much of it is true afterwards. */
const steps: { at: `${Step}` | `${Step}:${number}`; chunks: number; offset: number | null }[] = [
  // In the first chunk: nobody was told of the upload.
  { at: 'row-inserted', chunks: 0, offset: null },
  { at: 'object-created', chunks: 0, offset: null },
  { at: 'receiving', chunks: 0, offset: null },
  { at: 'bytes-written', chunks: 0, offset: null },
  { at: 'offset-recorded', chunks: 0, offset: null },
  // In the second one: all of it or nothing.
  { at: 'attempt-recorded:2', chunks: 1, offset: 1000 },
  { at: 'bytes-written:2', chunks: 1, offset: 1000 },
  { at: 'bytes-synced:2', chunks: 1, offset: 1000 },
  { at: 'offset-recorded:2', chunks: 1, offset: 2000 },
  // While it is completed.
  { at: 'complete', chunks: 3, offset: 3000 },
  { at: 'inspected', chunks: 3, offset: 3000 },
  { at: 'published', chunks: 3, offset: 3000 },
]

let home: Home
afterEach(() => home.remove())

/** Sends chunks from where the upload stands; gives the upload, or null where the server died. */
async function send(server: ServerProcess, id: string | null): Promise<ChunkedUpload | null> {
  const client = clientOf(server)
  let upload = id === null ? null : await client.show(id)
  while (upload === null || upload.offset < bytes.length) {
    const from = upload?.offset ?? 0
    const file = chunk(bytes.subarray(from, from + 1000))
    const range = `bytes ${from}-${from + 999}/3000`
    const answer = await client.put(upload?.id ?? '', range, { file }).catch(() => null)
    if (answer === null) return upload
    expect(answer.status).toBe(200)
    upload = (await answer.json()) as ChunkedUpload
  }
  if (upload.status === 2) return upload
  const answer = await client.post(upload.id, { md5: digest(bytes) }).catch(() => null)
  if (answer === null) return upload
  expect(answer.status).toBe(200)
  return (await answer.json()) as ChunkedUpload
}

/** The embedded database takes long to start: of it only one step of each request. */
const runs = steps.flatMap((step) => [
  { kind: 'postgres' as const, ...step },
  ...(['bytes-written', 'bytes-synced:2', 'complete'].includes(step.at)
    ? [{ kind: 'embedded' as const, ...step }]
    : []),
])

describe('kill -9', () => {
  it.each(runs)(
    'at $at with the $kind database keeps whole chunks only',
    {
      timeout: 120_000,
    },
    async ({ kind, at, chunks, offset }) => {
      home = await createHome(kind)
      const dying = await home.start({ CRASH_AT: at })
      const told = await send(dying, null)
      expect((await dying.ended).signal).toBe('SIGKILL')
      expect(told?.offset ?? 0).toBe(chunks * 1000)

      const restarted = await home.start()
      if (told !== null) expect((await clientOf(restarted).show(told.id)).offset).toBe(offset)
      const done = await send(restarted, told?.id ?? null)
      expect(done).toMatchObject({ status: 2, offset: 3000 })
      const stored = await fetch(done?.file ?? '')
      expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true)

      await restarted.sweep({ aheadMs: 25 * 3600_000 })
      expect(await home.files()).toEqual([expect.stringMatching(`${done?.id}\\.done$`)])
      const listed = await fetch(`${restarted.url}/api/media/files`, {
        headers: { Authorization: `Token ${ADMIN_KEY}` },
      })
      expect(await listed.json()).toMatchObject({ count: 1 })
      expect(restarted.stderr()).not.toContain('unexpected error')
    },
  )
})
