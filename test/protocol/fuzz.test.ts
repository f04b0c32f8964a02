import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { requireTidy } from '../support/aftermath.ts'
import { leakIn } from '../support/bad-input.ts'
import { chunkedClient } from '../support/chunked.ts'
import { createRandom, type Fuzzed, fuzz, type Ids } from '../support/fuzz.ts'
import { buildPng } from '../support/images.ts'
import { mediaClient } from '../support/media-client.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'
import { tusClient } from '../support/tus.ts'

/** Connections of the run, and what repeats it: the same ones in the same order. */
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 600)
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_122)

const AT_ONCE = 16
/** A request that is not answered by then is one that waits for more, and is told that no more comes. */
const PATIENCE_MS = 1_500
/** By then every connection has ended after that. */
const HANG_MS = 30_000
/** What Node answers to a version or a method that it does not know is no failure of ours. */
const ALLOWED = new Set([501, 505])

let server: TestServer
let ahead = 0
let tokens: string[]

beforeAll(async () => {
  server = await startServer({
    env: {
      UPLOAD_IDLE_TIMEOUT: '1s',
      UPLOAD_MAX_SIZE: '1MB',
      SESSION_MAX_OPEN: '1000000',
      USER_MAX_OPEN_UPLOADS: '1000000',
    },
    replaced: { now: () => new Date(Date.now() + ahead) },
  })
  const roles = ['user', 'staff', 'admin'] as const
  const added = await Promise.all(roles.map((role) => server.accounts.add(role)))
  const good = added.map(({ authorization }) => authorization)
  tokens = [...good, ...good, ...good, 'Token wrong']
})
afterAll(() => server.close())

/** Something new behind every door, so that good ids are among those that are asked for. */
async function freshIds(): Promise<Ids> {
  const [owner = ''] = tokens
  const tus = tusClient(server.url, owner)
  const idOf = (url: string) => url.split('/').at(-1) ?? ''
  const part = await tus.create({ 'Upload-Length': '5', 'Upload-Concat': 'partial' })
  const done = await tus.begin(5)
  await tus.patch(done, 0, 'hello')
  const record = await mediaClient(server, server.admin).upload('a.png', buildPng(4, 4))
  const victim = await server.accounts.add('user')
  return {
    tus: [idOf(await tus.begin(10)), idOf(await tus.begin(5))],
    part: [idOf(part.headers.get('location') ?? '')],
    done: [idOf(done)],
    ietf: [idOf(await resumableClient(server.url, owner).make('', 10))],
    chunked: [(await chunkedClient(server.url, owner).begin('hello', 10)).id],
    session: [await sessionClient(server.url, owner).open()],
    media: [String(record.id), '1'],
    key: [new URL(record.f).pathname.split('/')[2] ?? ''],
    user: [String(victim.id)],
  }
}

/** Everything that comes back until the connection has ended. */
function exchange({ bytes, ending }: Fuzzed): Promise<{ text: string; hung: boolean }> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    let text = ''
    const done = (hung: boolean) => {
      clearTimeout(patience)
      clearTimeout(hang)
      socket.destroy()
      resolve({ text, hung })
    }
    const patience = setTimeout(() => socket.end(), PATIENCE_MS)
    const hang = setTimeout(() => done(true), HANG_MS)
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (more: string) => {
      text += more
      // Kept open for the next request, which does not come.
      if (ending === 'wait' && isAnswered(text)) {
        clearTimeout(patience)
        setTimeout(() => socket.end(), 20)
      }
    })
    socket.on('close', () => done(false))
    socket.write(bytes, () => {
      if (ending === 'end') socket.end()
      if (ending === 'reset') socket.resetAndDestroy()
    })
  })
}

const statusesOf = (text: string) =>
  [...text.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)].map(([, status]) => Number(status))
const isAnswered = (text: string) => statusesOf(text).some((status) => status >= 200)

/** What is wrong with an exchange; null where nothing is. */
function wrongIn(text: string, hung: boolean): string | null {
  if (hung) return 'it hung'
  const failed = statusesOf(text).find((status) => status >= 500 && !ALLOWED.has(status))
  if (failed !== undefined) return `it was answered ${failed}: ${text}`
  const refused = statusesOf(text).every((status) => status >= 400)
  const leak = refused ? leakIn(text.slice(text.indexOf('\r\n\r\n'))) : null
  return leak === null ? null : `${leak} in ${text}`
}

const descriptors = async () => (await readdir('/proc/self/fd')).length
const troubles = () => server.logged.filter(({ level }) => level === 'error' || level === 'fatal')

async function runAll(): Promise<string[]> {
  const found: string[] = []
  let ids = await freshIds()
  for (let first = 0; first < REQUESTS && found.length === 0; first += AT_ONCE) {
    if ((first / AT_ONCE) % 4 === 3) ids = await freshIds()
    const cases = Array.from({ length: AT_ONCE }, (_, n) =>
      fuzz(createRandom(SEED + first + n), ids, tokens),
    )
    const before = troubles().length
    const answers = await Promise.all(cases.map(exchange))
    answers.forEach(({ text, hung }, n) => {
      const wrong = wrongIn(text, hung)
      const { bytes, ending } = cases[n] as Fuzzed
      const sent = JSON.stringify(bytes.toString('latin1'))
      if (wrong !== null)
        found.push(`FUZZ_SEED=${SEED + first + n} FUZZ_REQUESTS=1 (${ending}) ${sent}: ${wrong}`)
    })
    const logged = troubles().slice(before)
    if (logged.length > 0)
      found.push(
        `one of FUZZ_SEED=${SEED + first} FUZZ_REQUESTS=${AT_ONCE}: ${JSON.stringify(logged)}`,
      )
  }
  return found
}

it(`answers or ends ${REQUESTS} connections of requests gone wrong, and works on`, async () => {
  await freshIds()
  const before = await descriptors()
  expect(await runAll()).toEqual([])

  const record = await mediaClient(server, server.admin).upload('after.png', buildPng(8, 8))
  expect(record).toMatchObject({ type: 'image', width: 8 })
  expect((await fetch(record.f)).status).toBe(200)
  await expect.poll(descriptors, { timeout: 20_000 }).toBeLessThan(before + 12)

  ahead = 10 * 24 * 3_600_000
  await server.landfall.sweep()
  await server.landfall.sweep()
  const folder = path.join(server.dataDir, 'files')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  await requireTidy(
    server.database.db,
    files.map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name))),
  )
  expect(troubles()).toEqual([])
}, 1_800_000)
