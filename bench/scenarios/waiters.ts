import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from '../client.ts'
import type { Landfall } from '../landfall.ts'
import { treeUse } from '../measure/process-tree.ts'
import type { Contestant } from '../rounds.ts'
import { type Row, under } from '../row.ts'
import type { Scenario } from '../scenario.ts'

const WAITERS = 200
/** Requests give up after 10 s; the first moments, in which they arrive, are not waiting. */
const WAIT_S = 8
const ARRIVING_S = 2
const WATCHED_S = 5

/** Requests that wait for an upload whose holder is waiting itself, for a scanner that is silent. */
export const waiters: Scenario = {
  name: 'waiters',
  title: 'CPU of 200 requests that wait for the lock of an upload',
  seconds: { full: 75, quick: 17 },
  async run(bench) {
    const client = await bench.client()
    const scanner = await silentScanner()
    bench.after(() => scanner.close())
    const env = { CLAMAV_HOST: '127.0.0.1', CLAMAV_PORT: String(scanner.port) }
    const server = await bench.landfall({ env })
    const contestants: Contestant[] = [
      { name: 'idle', prepare: async () => ({ run: () => watched(server) }) },
      {
        name: 'waiting',
        prepare: async () => ({ run: () => waiting(client, server, scanner) }),
      },
    ]
    // There is nothing to warm up in waiting.
    const results = await bench.alternate(contestants, {
      warmUp: false,
      ...(bench.quick && { runs: 1 }),
    })
    const row: Row = {
      figure: `CPU of ${WAITERS} requests that wait for a lock, of one core`,
      ours: results.of('waiting', 'percent'),
      unit: '%',
      goal: under(1),
      note: `the idle server: ${Number(results.of('idle', 'percent')).toFixed(2)} %; ${WATCHED_S} s each`,
    }
    return [row]
  },
}

async function waiting(client: Client, server: Landfall, scanner: SilentScanner) {
  const { uploads: URL, headers: Headers } = server
  const job = { Mode: 'tus', URL, Headers, Size: 1, Count: 1, CreateOnly: true } as const
  const { location } = await client.do(job)
  const asked = scanner.nextConnection()
  const holder = fetch(location, {
    method: 'PATCH',
    headers: {
      ...Headers,
      'Tus-Resumable': '1.0.0',
      'Upload-Offset': '0',
      'Content-Type': 'application/offset+octet-stream',
    },
    body: 'x',
  }).then((answer) => answer.text())
  await asked
  const all = client.do({ Mode: 'wait', URL: location, Headers, Count: WAITERS, Seconds: WAIT_S })
  await pause(ARRIVING_S * 1000)
  const sample = await watched(server)
  await all
  scanner.speak()
  await holder
  return sample
}

async function watched(server: Landfall): Promise<{ percent: number }> {
  const began = performance.now()
  const before = await treeUse(server.pid)
  await pause(WATCHED_S * 1000)
  const after = await treeUse(server.pid)
  const seconds = (performance.now() - began) / 1000
  return { percent: ((after.cpuSeconds - before.cpuSeconds) / seconds) * 100 }
}

interface SilentScanner {
  port: number
  nextConnection(): Promise<void>
  /** Says of everything that it was asked about that it is clean. */
  speak(): void
  close(): Promise<void>
}

/** It takes connections like clamd, and says nothing for now. */
async function silentScanner(): Promise<SilentScanner> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
    socket.resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    async nextConnection() {
      await once(server, 'connection')
    },
    speak() {
      for (const socket of sockets) socket.end('stream: OK\0')
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
