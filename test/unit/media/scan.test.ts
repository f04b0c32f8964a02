import { getEventListeners, once, setMaxListeners } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { createScan, scanFirst } from '../../../src/media/scan.ts'
import type { Hooks } from '../../../src/uploads/core.ts'
import type { Upload } from '../../../src/uploads/upload.ts'

/** Connections that wait for a verdict. */
let waiting: Socket[] = []
let asked = 0
const server = createServer((socket) => {
  asked++
  socket.on('error', () => {}).resume()
  waiting.push(socket)
})

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  waiting = []
  asked = 0
})
afterAll(() => server.close())

const upload = (id: string) => ({ id, offset: 5, storageKey: id, filename: 'a.txt' }) as Upload

function newScan({ port = (server.address() as AddressInfo).port } = {}) {
  const logged: object[] = []
  const stopping = new AbortController().signal
  setMaxListeners(0, stopping)
  const scan = createScan({
    clamav: { host: '127.0.0.1', port },
    storage: { read: () => Readable.from([Buffer.from('hello')]) },
    stopping,
    log: { warn: (fields) => logged.push(fields) },
  })
  return { scan, logged, stopping }
}

describe('a scan', () => {
  it('has no more than eight files before clamd at a time', async () => {
    const { scan, stopping } = newScan()
    const scans = Array.from({ length: 20 }, (_, n) => scan(upload(String(n))))
    for (let done = 0; done < 20; ) {
      await expect.poll(() => waiting.length).toBe(Math.min(8, 20 - done))
      const batch = waiting.splice(0)
      done += batch.length
      for (const socket of batch) socket.end('stream: OK\0')
    }
    await Promise.all(scans)
    expect(asked).toBe(20)
    await expect.poll(() => getEventListeners(stopping, 'abort').length).toBe(0)
  })

  it('refuses with the name of the file for people and that of the malware for the log', async () => {
    const { scan, logged } = newScan()
    const refused = scan({ ...upload('u1'), filename: 'a\n"b".exe' }).catch((error) => error)
    await expect.poll(() => waiting.length).toBe(1)
    waiting[0]?.end('stream: Worm.X FOUND\0')
    expect(await refused).toMatchObject({
      reason: 'malware-found',
      message: 'Malware was detected in the file "a"b".exe"',
    })
    expect(logged).toEqual([{ upload: 'u1', signature: 'Worm.X' }])
  })

  it('asks once more where the connection broke without a word, and no more than that', async () => {
    const { scan } = newScan()
    const well = scan(upload('1'))
    await expect.poll(() => waiting.length).toBe(1)
    waiting[0]?.resetAndDestroy()
    await expect.poll(() => waiting.length).toBe(2)
    waiting[1]?.end('stream: OK\0')
    await well
    const ill = scan(upload('2')).catch((error: Fault) => error)
    for (const connection of [2, 3]) {
      await expect.poll(() => waiting.length).toBe(connection + 1)
      waiting[connection]?.resetAndDestroy()
    }
    expect(await ill).toMatchObject({ reason: 'scanner-unavailable' })
    expect(asked).toBe(4)
  })

  it('does not ask again for a while where nobody was there', async () => {
    const { scan } = newScan({ port: 1 })
    const first = await scan(upload('1')).catch((error: Fault) => error)
    expect(first).toMatchObject({ reason: 'scanner-unavailable', retryAfterSeconds: 5 })
    expect((first as Fault).cause).toMatchObject({ message: 'clamd is away' })
    const second = await scan(upload('2')).catch((error: Fault) => error)
    expect((second as Fault).cause).toMatchObject({
      message: 'clamd could not be reached just now',
    })
  })
})

describe('scanFirst', () => {
  const promoting = (onFinished: Hooks<string>['onFinished']) =>
    scanFirst({ onFinished } as Hooks<string>, async ({ id }) => {
      scanned.push(id)
      if (id === 'bad') throw new Fault('malware-found')
    })
  let scanned: string[] = []
  afterEach(() => {
    scanned = []
  })

  it('looks at nothing that is infected', async () => {
    let looked = 0
    const hooks = promoting(async () => {
      looked++
      return 'published'
    })
    const finished = hooks.onFinished(upload('bad'), async () => {}, {})
    await expect(finished).rejects.toMatchObject({ reason: 'malware-found' })
    expect(looked).toBe(0)
    expect(await hooks.onFinished(upload('good'), async () => {}, {})).toBe('published')
    expect(hooks.countsTryWhenComplete).toBe(false)
  })

  it('scans a file once, however often its record has to be tried', async () => {
    let fails = 3
    const hooks = promoting(async () => {
      if (fails-- > 0) throw new Fault('unavailable')
      return 'published'
    })
    const finish = () => hooks.onFinished(upload('good'), async () => {}, {})
    for (let times = 0; times < 3; times++)
      await expect(finish()).rejects.toMatchObject({ reason: 'unavailable' })
    expect(await finish()).toBe('published')
    expect(scanned).toEqual(['good'])
    await finish()
    expect(scanned).toEqual(['good', 'good'])
  })
})
