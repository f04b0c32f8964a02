import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** Where in a statement the connection breaks. */
export type Break =
  /** The database never hears of it. */
  | 'before'
  /** The database gets it, and whether it comes to an end nobody waits for. */
  | 'during'
  /** It has taken effect, and its answer is lost. */
  | 'after'
  /** The database never hears of it, nor of anything else until `mend`. */
  | 'for-long'

export interface PostgresProxy {
  /** The database's URL by way of the proxy. */
  url: string
  /** Breaks the connection of the n-th statement from now on. Tells whether it came to that. */
  breakNth(n: number, where: Break): () => boolean
  /** Statements so far. */
  statements(): number
  /** The database can be reached again. */
  mend(): void
  close(): Promise<void>
}

interface Arming {
  left: number
  where: Break
  broken: boolean
}

/**
 * Between a server and its Postgres. It reads the frontend protocol only as far as needed to count
 * statements: `Execute` and simple `Query` messages, BEGIN and COMMIT among them.
 */
export async function startPostgresProxy(databaseUrl: string): Promise<PostgresProxy> {
  const target = new URL(databaseUrl)
  let arming: Arming | undefined
  let statements = 0
  const sockets = new Set<Socket>()

  let reachable = true
  const away = () => {
    reachable = false
    for (const socket of sockets) socket.resetAndDestroy()
  }

  const server = createServer((client) => {
    if (!reachable) return void client.resetAndDestroy()
    const upstream = connect(Number(target.port), target.hostname)
    const cut = () => {
      client.resetAndDestroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      // Messages go on one by one: each would wait for the one before it to be acknowledged.
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    /** Answers that are still to come before that of the statement that breaks. */
    let toPass = 0
    let breaking: Arming | undefined
    const fromClient = splitter(true, (type, message) => {
      if (client.destroyed) return
      if (type === 'E' || type === 'Q') statements++
      if ((type === 'E' || type === 'Q') && arming && !arming.broken && --arming.left === 0) {
        breaking = arming
        arming.broken = true
        if (breaking.where === 'for-long') return away()
        if (breaking.where === 'before') return cut()
      }
      const ends = type === 'S' || type === 'Q'
      if (ends && breaking?.where === 'during') return void upstream.write(message, cut)
      if (ends && breaking === undefined) toPass++
      upstream.write(message)
    })
    const fromServer = splitter(false, (type, message) => {
      if (client.destroyed) return
      const swallow = breaking !== undefined && toPass === 0
      if (swallow && type === 'Z') return cut()
      if (type === 'Z' && toPass > 0) toPass--
      if (!swallow) client.write(message)
    })
    client.on('data', fromClient)
    upstream.on('data', fromServer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${address.port}`
  return {
    url: url.href,
    breakNth(n, where) {
      const armed: Arming = { left: n, where, broken: false }
      arming = armed
      return () => armed.broken
    },
    statements: () => statements,
    mend() {
      reachable = true
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Cuts a stream into messages; the first one of a client has no type. */
function splitter(startup: boolean, take: (type: string, message: Buffer) => void) {
  let rest = Buffer.alloc(0)
  let untyped = startup
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const head = untyped ? 0 : 1
      if (rest.length < head + 4) return
      const length = head + rest.readUInt32BE(head)
      if (rest.length < length) return
      const message = rest.subarray(0, length)
      rest = rest.subarray(length)
      const type = untyped ? '' : String.fromCharCode(message[0] ?? 0)
      untyped = false
      take(type, message)
    }
  }
}
