import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A network between client and server that can be cut, and whose server can be replaced. */
export interface CuttableProxy {
  url: string
  /** Where connections go from now on. */
  pointTo(url: string): void
  /** Resets every open connection. */
  cut(): void
  /** Resets every connection, and each new one at once, until `up`. */
  down(): void
  up(): void
  /** Resolves when so many bytes in all have gone from clients towards the server. */
  passed(bytes: number): Promise<void>
  /** As `passed`; the connection that brings the last of them gets no further from then on. */
  stuck(bytes: number): Promise<void>
  /** Bytes that have gone from clients towards the server so far. */
  total(): number
  close(): Promise<void>
}

export async function startProxy(): Promise<CuttableProxy> {
  let target = { port: 0, host: '127.0.0.1' }
  let total = 0
  let reachable = true
  const waiting = new Set<{ bytes: number; sticks?: true; resolve(): void }>()
  const sockets = new Set<Socket>()

  const server = createServer((client) => {
    if (!reachable) return void client.resetAndDestroy()
    const upstream = connect(target.port, target.host)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (chunk) => {
      total += chunk.length
      for (const waiter of waiting) {
        if (total < waiter.bytes) continue
        waiting.delete(waiter)
        if (waiter.sticks) client.unpipe(upstream).pause()
        waiter.resolve()
      }
    })
    client.pipe(upstream)
    upstream.pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')

  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    url: `http://127.0.0.1:${address.port}`,
    pointTo(url) {
      const { hostname, port } = new URL(url)
      target = { host: hostname, port: Number(port) }
    },
    cut,
    down() {
      reachable = false
      cut()
    },
    up() {
      reachable = true
    },
    passed: (bytes) =>
      total >= bytes
        ? Promise.resolve()
        : new Promise((resolve) => waiting.add({ bytes, resolve })),
    stuck: (bytes) => new Promise((resolve) => waiting.add({ bytes, sticks: true, resolve })),
    total: () => total,
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
