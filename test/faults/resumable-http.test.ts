import { createHash, randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Step } from '../../src/uploads/core.ts'
import { createHome, type Home } from '../support/process.ts'
import { type ResumableClient, resumableClient, type Told } from '../support/resumable-http.ts'
import { ADMIN_KEY } from '../support/server.ts'

const authorization = `Token ${ADMIN_KEY}`
const bytes = randomBytes(300_000)

/** Where the server dies, in which request, and what of the upload is there afterwards. */
const steps: { at: `${Step}` | `${Step}:${number}`; in: 'creation' | 'last'; digest?: true }[] = [
  { at: 'receiving', in: 'creation' },
  { at: 'bytes-written', in: 'creation' },
  { at: 'offset-recorded', in: 'creation' },
  { at: 'bytes-written', in: 'last', digest: true },
  { at: 'offset-recorded:2', in: 'last' },
  { at: 'complete', in: 'last' },
  { at: 'inspected', in: 'last' },
  { at: 'published', in: 'last' },
]

let home: Home
afterEach(() => home.remove())

const attempt = (work: Promise<Told>) => work.catch(() => undefined)

/** As a client does that knows nothing but the draft: look where it stands, send the rest. */
async function goOn(client: ResumableClient, url: string): Promise<Told> {
  const head = await client.ask('HEAD', url)
  expect(head.status).toBe(204)
  const offset = Number(head.headers['upload-offset'])
  return client.patch(url, offset, true, {
    body: bytes.subarray(offset),
    length: bytes.length - offset,
  })
}

describe('kill -9 of the IETF door', () => {
  it.each(steps)('at $at of the $in leaves one record and no stray file', async (step) => {
    home = await createHome('postgres')
    const dying = await home.start({ CRASH_AT: step.at, RESUMABLE_HTTP_INTERIM: 'true' })
    const client = resumableClient(dying.url, authorization)
    // With a digest to verify, nothing before it: its first batch is then the first of all.
    const part = step.digest ? 0 : 100_000
    const headers = { 'Upload-Complete': '?0', 'Upload-Length': String(bytes.length) }
    const connection = await client.begin('POST', '/files/', {
      body: bytes.subarray(0, part),
      headers,
    })
    const told = await connection.answer().catch(() => undefined)
    let url = told?.headers.location
    if (step.in === 'last' && url !== undefined) {
      await connection.answer()
      const digest = createHash('sha256').update(bytes.subarray(part)).digest('base64')
      await attempt(
        client.patch(url, part, true, {
          body: bytes.subarray(part),
          headers: step.digest ? { 'Content-Digest': `sha-256=:${digest}:` } : {},
        }),
      )
    }
    expect((await dying.ended).signal).toBe('SIGKILL')

    const restarted = await home.start()
    const again = resumableClient(restarted.url, authorization)
    const offset = url === undefined ? undefined : Number(await again.offset(new URL(url).pathname))
    // What was not verified does not count, however much of it was written.
    if (step.digest) expect(offset).toBe(0)
    else if (step.in === 'last') expect(offset).toBe(bytes.length)
    // One that was never told where the upload is begins again.
    url ??= await again.make('', bytes.length)
    const done = await goOn(again, new URL(url).pathname)
    expect([done.status, done.headers['upload-complete']]).toEqual([201, '?1'])

    const listed = (await (
      await fetch(`${restarted.url}/api/media/files`, { headers: { Authorization: authorization } })
    ).json()) as { count: number; results: { f: string }[] }
    expect(listed.count).toBe(1)
    const stored = await fetch(listed.results[0]?.f ?? '')
    expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true)
    await restarted.sweep({ aheadMs: 25 * 3600_000 })
    expect(await home.files()).toHaveLength(1)
    expect(restarted.stderr()).not.toContain('unexpected error')
  })
})
