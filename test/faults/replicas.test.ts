import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { requireKept, requireTidy, troubleIn } from '../support/aftermath.ts'
import { exchange } from '../support/exchange.ts'
import { faultCycles, faultSeed, longForm, report } from '../support/fault-settings.ts'
import { createHome, type Home, type ServerProcess } from '../support/process.ts'
import { openRaw } from '../support/raw.ts'
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { pdf, sessionClient } from '../support/sessions.ts'
import { startTraffic, trafficEnv } from '../support/traffic.ts'
import { BODY_TYPE, encode, TUS, tusClient } from '../support/tus.ts'

const authorization = `Token ${ADMIN_KEY}`
/** Long enough for its renewals on a loaded machine, short enough to wait for. */
const LEASE_MS = 1500
const env = { LEASE_MS: String(LEASE_MS), ...trafficEnv }

/** Resolves when a process stands still. */
async function stopped(pid: number): Promise<void> {
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')) return
    await delay(10)
  }
}

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

describe.skipIf(process.platform !== 'linux')('a server frozen past its lease and woken', () => {
  const size = 600_000
  /** What the client sends to the one that freezes, and what it sends to the other one. */
  const [early, late] = [randomBytes(size), randomBytes(size)]
  let home: Home
  let old: ServerProcess
  let next: ServerProcess
  let uploads = 0

  beforeAll(async () => {
    home = await createHome('postgres')
    old = await home.start(env)
    next = await home.start(env)
  })
  afterAll(() => home.remove())

  const at = (server: ServerProcess, url: string) => server.url + new URL(url).pathname

  /** A new upload, and a PATCH of it at a server that freezes in the middle of it. */
  async function freeze(where: string, body: Uint8Array, headers: Record<string, string> = {}) {
    const name = `upload-${uploads++}.bin`
    const url = await tusClient(next.url, authorization).begin(size, { filename: name })
    await old.freezeAt(where)
    const pieces = Array.from({ length: Math.ceil(body.length / 50_000) }, (_, n) =>
      body.subarray(n * 50_000, (n + 1) * 50_000),
    )
    const answer = exchange({
      method: 'PATCH',
      url: at(old, url),
      headers: {
        ...TUS,
        Authorization: authorization,
        'Content-Type': BODY_TYPE,
        'Upload-Offset': '0',
        ...headers,
      },
      body: pieces,
      length: body.length,
    }).then(
      ({ status, headers }) => ({ status, offset: headers['upload-offset'] }),
      () => ({ status: 0, offset: undefined }),
    )
    await stopped(old.pid)
    return { name, url, answer }
  }

  /** HEAD as a client asks it: again while the upload is in other hands. */
  async function offsetAt(server: ServerProcess, url: string): Promise<number> {
    for (;;) {
      const head = await tusClient(server.url, authorization).head(at(server, url))
      if (head.status === 200) return Number(head.headers.get('upload-offset'))
      expect(head.status).toBe(423)
    }
  }

  const put = (url: string, offset: number, body: Uint8Array) =>
    tusClient(next.url, authorization).patch(at(next, url), offset, body)

  /** The digests of what is published under a name. */
  async function published(server: ServerProcess, name: string): Promise<string[]> {
    const answer = await fetch(`${server.url}/api/media/files?limit=100`, {
      headers: { Authorization: authorization },
    })
    const { results } = (await answer.json()) as { results: { f: string; name: string }[] }
    const files = results.filter((file) => file.name === name)
    return Promise.all(
      files.map(async ({ f }) => sha256(Buffer.from(await (await fetch(f)).arrayBuffer()))),
    )
  }

  const places: { where: string; mode: 'kept' | 'whole'; long?: true }[] = [
    { where: 'before-append', mode: 'kept' },
    { where: 'before-write', mode: 'kept', long: true },
    { where: 'before-write:2', mode: 'kept' },
    { where: 'bytes-written:2', mode: 'kept', long: true },
    { where: 'before-sync', mode: 'kept', long: true },
    { where: 'bytes-synced', mode: 'kept' },
    { where: 'attempt-recorded', mode: 'whole', long: true },
    { where: 'before-write:2', mode: 'whole', long: true },
    { where: 'before-truncate', mode: 'whole' },
  ]

  it.each(places.filter(({ long }) => longForm || !long))(
    'at $where of a body that is $mode takes nothing from what comes after it',
    async ({ where, mode }) => {
      // One that is wrong: what was written is dropped again.
      const checksum = `sha1 ${createHash('sha1').update('other').digest('base64')}`
      const headers = mode === 'whole' ? { 'Upload-Checksum': checksum } : undefined
      const { name, url, answer } = await freeze(where, early, headers)
      const offset = await offsetAt(next, url)
      expect(offset).toBe(0)
      const half = size / 2
      const first = await put(url, 0, late.subarray(0, half))
      expect([first.status, first.headers.get('upload-offset')]).toEqual([204, String(half)])
      old.kill('SIGCONT')
      // 460: the checksum is wrong indeed. None of them says that anything was stored.
      expect([0, 409, 423, 460, 503]).toContain((await answer).status)
      for (const server of [old, next]) expect(await offsetAt(server, url)).toBe(half)
      expect((await put(url, half, late.subarray(half))).status).toBe(204)
      expect(await published(old, name)).toEqual([sha256(late)])
    },
  )

  it.each(longForm ? ['before-finalise', 'complete', 'inspected', 'published'] : ['complete'])(
    'at %s of the last byte leaves one record, made by the other',
    async (where) => {
      const { name, url, answer } = await freeze(where, early)
      expect(await offsetAt(next, url)).toBe(size)
      expect(await published(next, name)).toEqual([sha256(early)])
      old.kill('SIGCONT')
      // It is in, whoever has put it there.
      expect([0, 204, 423, 503]).toContain((await answer).status)
      expect(await published(old, name)).toEqual([sha256(early)])
    },
  )

  it('at the record of an offset says what is true, and the other goes on from there', async () => {
    const { name, url, answer } = await freeze('offset-recorded', early.subarray(0, 200_000))
    expect(await offsetAt(next, url)).toBe(200_000)
    expect((await put(url, 200_000, late.subarray(200_000))).status).toBe(204)
    old.kill('SIGCONT')
    expect(await answer).toMatchObject({ status: 204, offset: '200000' })
    expect(await published(next, name)).toEqual([
      sha256(early.subarray(0, 200_000), late.subarray(200_000)),
    ])
  })

  it('before parts are joined adds nothing to what the other has joined', async () => {
    const tus = tusClient(next.url, authorization)
    const parts = await Promise.all(
      [early.subarray(0, 1000), late.subarray(0, 1000)].map(async (bytes) => {
        const made = await tus.create({ 'Upload-Concat': 'partial', 'Upload-Length': '1000' })
        return { url: made.headers.get('location') ?? '', bytes }
      }),
    )
    const [one, two] = parts
    if (one === undefined || two === undefined) throw new Error('there are not two')
    await tus.patch(one.url, 0, one.bytes)
    const name = `upload-${uploads++}.bin`
    const paths = parts.map(({ url }) => new URL(url).pathname)
    const whole = await tus.create({
      'Upload-Concat': `final;${paths.join(' ')}`,
      'Upload-Metadata': encode({ filename: name }),
    })
    const url = whole.headers.get('location') ?? ''
    await old.freezeAt('joining')
    const last = tusClient(old.url, authorization).patch(at(old, two.url), 0, two.bytes)
    const settled = last.then(
      ({ status }) => status,
      () => 0,
    )
    await stopped(old.pid)
    expect(await offsetAt(next, url)).toBe(2000)
    old.kill('SIGCONT')
    expect([0, 204, 423, 503]).toContain(await settled)
    expect(await published(next, name)).toEqual([sha256(one.bytes, two.bytes)])
  })

  it('removes no file of a session for a client that has long given up', async () => {
    const session = sessionClient(next.url, authorization)
    const token = await session.open()
    const removal = (name: string) => `/${token}/files/${name}/`
    old.kill('SIGSTOP')
    await stopped(old.pid)
    // It lies in the socket of the server that stands still.
    const given = await openRaw(old.url)
    given.send(
      `DELETE /upload-session${removal('a.pdf')} HTTP/1.1\r\nHost: ${new URL(old.url).host}\r\n` +
        `Authorization: ${authorization}\r\n\r\n`,
    )
    given.socket.end()
    expect((await session.add(token, 'a.pdf', pdf())).status).toBe(200)
    old.kill('SIGCONT')
    // Long after it: the same work ten times over at the same server, one after the other.
    const late = sessionClient(old.url, authorization)
    for (let round = 0; round < 10; round++) {
      expect((await late.add(token, 'b.pdf', pdf())).status).toBe(200)
      expect((await late.call('DELETE', removal('b.pdf'))).status).toBe(204)
    }
    expect(await session.names(token)).toEqual(['a.pdf'])
    expect((await session.call('DELETE', removal('a.pdf'))).status).toBe(204)
  })

  it('leaves no file that is nobody’s, and both servers are well', async () => {
    await next.sweep({ aheadMs: 25 * 3600_000 })
    expect(await home.files()).toHaveLength(uploads)
    for (const server of [old, next]) expect(troubleIn(server.stderr(), false)).toEqual([])
  })
})

describe('two servers behind a proxy, one of which is killed or frozen again and again', () => {
  const cycles = longForm ? faultCycles : Math.min(faultCycles, 3)
  let home: Home
  let proxy: RoundRobin
  afterEach(async () => {
    await proxy.close()
    await home.remove()
  })

  it('lose nothing', { timeout: 120_000 + cycles * 30_000 }, async () => {
    home = await createHome('postgres')
    let servers = [await home.start(env), await home.start(env)]
    // Given up before the lease is over: the client goes on at the other one, and waits there.
    proxy = await startRoundRobin(
      servers.map(({ url }) => url),
      { stallMs: longForm ? 4000 : 1000 },
    )
    const traffic = startTraffic({
      seed: faultSeed,
      authorization,
      largest: 400_000,
      overlaps: true,
    })
    const { ledger, random } = traffic
    traffic.up(proxy.url, { mortal: true })
    let kills = 0
    let freezes = 0
    for (let cycle = 0; cycle < cycles; cycle++) {
      await Promise.race([ledger.passed(random.between(1, 2_000_000)), traffic.failed])
      await delay(random.between(0, 25))
      const [victim, survivor] = random.chance(0.5) ? servers : servers.toReversed()
      if (victim === undefined || survivor === undefined) throw new Error('there are not two')
      // Both happen in every run.
      if (cycle === 0 || (cycle > 1 && random.chance(0.5))) {
        kills++
        victim.kill('SIGKILL')
        await victim.ended
        expect(troubleIn(victim.stderr(), true)).toEqual([])
        await Promise.race([ledger.passed(100_000), traffic.failed])
        servers = [survivor, await home.start(env)]
        proxy.pointTo(servers.map(({ url }) => url))
      } else {
        freezes++
        victim.kill('SIGSTOP')
        await stopped(victim.pid)
        await delay(LEASE_MS + random.between(0, 1500))
        await Promise.race([ledger.passed(100_000), traffic.failed])
        victim.kill('SIGCONT')
      }
    }
    await traffic.finish()
    await requireKept(proxy.url, authorization, ledger)
    // A day later, so that what was not finished is gone, and what was has its record.
    const [sweeper] = servers
    await sweeper?.sweep({ aheadMs: 25 * 3600_000 })
    const found = await requireKept(proxy.url, authorization, ledger)
    for (const server of servers) {
      server.kill('SIGTERM')
      expect(await server.ended).toEqual({ code: 0, signal: null })
      expect(troubleIn(server.stderr(), false)).toEqual([])
    }
    const database = await home.openDatabase()
    const below = path.join(home.dataDir, 'files')
    const files = (await home.files()).map((file) => path.relative(below, file))
    await requireTidy(database.db, files).finally(() => database.close())
    report('two servers', {
      kills,
      freezes,
      files: ledger.attempts.length,
      'acknowledged bytes': ledger.acknowledgedBytes(),
      records: found.records,
      'of them without an answer': found.unasked,
      lost: 0,
      refusals: JSON.stringify(Object.fromEntries(ledger.refusals)),
    })
  })
})
