import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { openPostgres } from '../../src/db/postgres.ts'
import { requireTidy, troubleIn } from '../support/aftermath.ts'
import { contentDigest, contentOf } from '../support/content.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { type Answer, exchange } from '../support/exchange.ts'
import { report } from '../support/fault-settings.ts'
import { filesIn } from '../support/folder.ts'
import { file, form, formType } from '../support/multipart.ts'
import { openRaw, type RawAnswer, type RawConnection } from '../support/raw.ts'
import { PARTIAL } from '../support/resumable-http.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { root } from '../support/source.ts'
import { BODY_TYPE, encode, TUS } from '../support/tus.ts'

const authorization = { Authorization: `Token ${ADMIN_KEY}` }
const draft = { 'Upload-Draft-Interop-Version': '10' }
const SIZE = 200_000
const SENT = 120_000
/** The default of SHUTDOWN_TIMEOUT. */
const SHUTDOWN_TIMEOUT_MS = 10_000

interface Running {
  child: ChildProcess
  url: string
  log: () => string
}

let undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of undo.reverse()) await step()
  undo = []
})

/** The program as it is shipped, with its own handling of signals. */
async function serve(env: Record<string, string>): Promise<Running> {
  const child = spawn(process.execPath, [path.join(inject('compiled'), 'src/main.js')], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', PORT: '0', ADMIN_TOKEN: ADMIN_KEY, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  undo.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
    const url = /serving at (http:\/\/\S+)/.exec(String(text))?.[1]
    if (url !== undefined) return { child, url, log: () => log }
  }
  throw new Error(`the server did not start: ${log}`)
}

/** One upload that is running when the signal comes. */
interface Body {
  seed: number
  connection: RawConnection
  /** Where it can be resumed; null for a form. */
  path: string | null
  door: 'tus' | 'ietf' | 'multipart'
}

function head(method: string, to: string, length: number, headers: Record<string, string>): string {
  const lines = Object.entries({ ...authorization, ...headers }).map(([n, v]) => `${n}: ${v}`)
  const first = [`${method} ${to} HTTP/1.1`, 'Host: x', `Content-Length: ${length}`]
  return [...first, ...lines, '', ''].join('\r\n')
}

async function create(base: string, door: 'tus' | 'ietf', name: string): Promise<string> {
  const answer = await exchange({
    method: 'POST',
    url: `${base}/files/`,
    headers: {
      ...authorization,
      'Upload-Length': String(SIZE),
      ...(door === 'tus'
        ? { ...TUS, 'Upload-Metadata': encode({ filename: name }) }
        : {
            ...draft,
            'Upload-Complete': '?0',
            'Content-Disposition': `attachment; filename="${name}"`,
          }),
    },
    ...(door === 'ietf' ? { length: 0 } : {}),
  })
  expect(answer.status).toBe(201)
  return new URL(answer.headers.location ?? '').pathname
}

/** A request whose body has come half way. */
async function beginBody(base: string, door: Body['door'], seed: number): Promise<Body> {
  const name = `${door}-${seed}.bin`
  const path = door === 'multipart' ? null : await create(base, door, name)
  const connection = await openRaw(base)
  if (path === null) {
    const whole = form(file(name, contentOf(seed, 0, SIZE)))
    connection.send(head('POST', '/api/media/files', whole.length, { 'Content-Type': formType }))
    connection.send(whole.subarray(0, SENT))
  } else {
    const own =
      door === 'tus'
        ? { ...TUS, 'Content-Type': BODY_TYPE }
        : { ...draft, 'Content-Type': PARTIAL, 'Upload-Complete': '?1' }
    connection.send(head('PATCH', path, SIZE, { ...own, 'Upload-Offset': '0' }))
    connection.send(contentOf(seed, 0, SENT))
  }
  return { seed, connection, path, door }
}

const lookAt = (base: string, { path, door }: Body): Promise<Answer> =>
  exchange({
    method: 'HEAD',
    url: base + path,
    headers: { ...authorization, ...(door === 'tus' ? TUS : draft) },
  })

/** The rest of an upload, by the protocol that it began with. */
async function goOn(base: string, body: Body, offset: number): Promise<void> {
  const answer = await exchange({
    method: 'PATCH',
    url: base + body.path,
    headers: {
      ...authorization,
      'Upload-Offset': String(offset),
      ...(body.door === 'tus'
        ? { ...TUS, 'Content-Type': BODY_TYPE }
        : { ...draft, 'Content-Type': PARTIAL, 'Upload-Complete': '?1' }),
    },
    body: [contentOf(body.seed, offset, SIZE - offset)],
    length: SIZE - offset,
  })
  expect([201, 204]).toContain(answer.status)
  const stored = await fetch(answer.headers['landfall-media-url'] ?? '')

  const hash = createHash('sha256').update(Buffer.from(await stored.arrayBuffer()))
  expect(hash.digest('hex')).toBe(contentDigest(body.seed, SIZE))
}

/** Ends when every body has been written as far as it was sent. */
async function arrived(folder: string, count: number): Promise<void> {
  const sizes = async () =>
    (await Promise.all((await filesIn(folder)).map((name) => stat(path.join(folder, name)))))
      // What stands around the file in a form is not stored.
      .filter(({ size }) => size > SENT - 1000).length
  await expect.poll(sizes, { timeout: 30_000 }).toBe(count)
}

describe('SIGTERM during 20 uploads', () => {
  it('takes no new ones, stores what has come, answers 503 and exits with 0 in time', async () => {
    const { url: DATABASE_URL, drop } = await createPostgresDatabase()
    const DATA_DIR = await mkdtemp(path.join(tmpdir(), 'landfall-stop-'))
    undo.push(drop, () => rm(DATA_DIR, { recursive: true, force: true }))
    const folder = path.join(DATA_DIR, 'files')
    const first = await serve({ DATABASE_URL, DATA_DIR })
    const doors = [
      ...Array(12).fill('tus'),
      ...Array(5).fill('ietf'),
      ...Array(3).fill('multipart'),
    ]
    const bodies = await Promise.all(
      doors.map((door: Body['door'], seed) => beginBody(first.url, door, seed)),
    )
    await arrived(folder, 20)

    const exit = once(first.child, 'exit')
    const signalled = performance.now()
    first.child.kill('SIGTERM')
    const answers = await Promise.all(
      bodies.map(({ connection }) => connection.answer().catch((): RawAnswer | null => null)),
    )
    // Whoever was answered knows that it is over: whoever comes now is not let in.
    const late = await create(first.url, 'tus', 'late.bin').catch(() => null)
    expect(late).toBeNull()
    expect(await exit).toEqual([0, null])
    const took = performance.now() - signalled
    expect(took).toBeLessThan(SHUTDOWN_TIMEOUT_MS)
    for (const answer of answers) if (answer) expect(answer.status).toBe(503)
    const answered = answers.filter((answer) => answer !== null).length

    const second = await serve({ DATABASE_URL, DATA_DIR })
    let acknowledged = 0
    for (const [n, body] of bodies.entries()) {
      if (body.path === null) continue
      const looked = await lookAt(second.url, body)
      const offset = Number(looked.headers['upload-offset'])
      // All that had been written is kept, and what the 503 has told is what HEAD tells.
      expect(offset).toBe(SENT)
      const told = answers[n]?.headers['upload-offset']
      if (told !== undefined) expect(Number(told)).toBe(offset)
      acknowledged += offset
      await goOn(second.url, body, offset)
    }
    second.child.kill('SIGTERM')
    await once(second.child, 'exit')
    expect([...troubleIn(first.log(), false), ...troubleIn(second.log(), false)]).toEqual([])
    const database = await openPostgres({ url: DATABASE_URL, migrate: false })
    await requireTidy(database.db, await filesIn(folder)).finally(() => database.close())
    report('SIGTERM during 20 uploads', {
      'answered 503': answered,
      'acknowledged bytes': acknowledged,
      lost: 0,
      'ms to exit': Math.round(took),
    })
  })
})
