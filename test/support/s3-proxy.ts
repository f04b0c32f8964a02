import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { s3Endpoint } from './s3.ts'

/** What becomes of one request. `then` is awaited between the store's answer and the client's. */
export interface Fate {
  /** Before the store sees anything of it: the connection is reset. */
  refuse?: true
  /** The store does it; its answer is lost. */
  loseAnswer?: true
  /** The store's answer is this one, with an error in XML. */
  answer?: { status: number; code: string }
  /** Awaited before the store sees it. */
  before?: Promise<void>
  /** Bytes of the answer that arrive before the connection is reset. */
  cutAfter?: number
}

/** A network between server and S3 store that loses what a test wants it to lose. */
export interface S3Proxy {
  url: string
  /** Requests so far, such as `PUT ab/one`, `POST ab/one?uploads`; keys without bucket and prefix. */
  requests: string[]
  /** The next request that matches, and `times` of them in all, has this fate. Default once. */
  next(matching: RegExp, fate: Fate, times?: number): void
  /** Forgets requests and fates. */
  reset(): void
  /** Requests that have begun and have no end. */
  open(): number
  close(): Promise<void>
}

export async function startS3Proxy(): Promise<S3Proxy> {
  const target = new URL(s3Endpoint())
  const requests: string[] = []
  const fates: { matching: RegExp; fate: Fate; times: number }[] = []
  let open = 0

  function take(name: string): Fate {
    requests.push(name)
    const found = fates.find(({ matching, times }) => times > 0 && matching.test(name))
    if (found === undefined) return {}
    found.times--
    return found.fate
  }

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const fate = take(nameOf(incoming))
    open++
    outgoing.once('close', () => open--)
    if (fate.refuse) return void incoming.socket.resetAndDestroy()
    if (fate.answer) return refuse(incoming, outgoing, fate.answer)
    await fate.before
    const upstream = request({
      host: target.hostname,
      port: target.port,
      method: incoming.method,
      path: incoming.url,
      headers: incoming.headers,
    })
    upstream.on('error', () => outgoing.destroy())
    outgoing.once('close', () => upstream.destroy())
    incoming.pipe(upstream)
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage]
    if (fate.loseAnswer) return void incoming.socket.resetAndDestroy()
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
    if (fate.cutAfter === undefined) return void answer.pipe(outgoing)
    let left = fate.cutAfter
    for await (const chunk of answer) {
      outgoing.write((chunk as Buffer).subarray(0, left))
      left -= (chunk as Buffer).length
      if (left <= 0) break
    }
    outgoing.socket?.resetAndDestroy()
  }

  const server = createServer((incoming, outgoing) => {
    incoming.on('error', () => {})
    pass(incoming, outgoing).catch(() => outgoing.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    next(matching, fate, times = 1) {
      fates.push({ matching, fate, times })
    },
    reset() {
      requests.length = 0
      fates.length = 0
    },
    open: () => open,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function nameOf({ method, url = '' }: IncomingMessage): string {
  const { pathname, searchParams } = new URL(url, 'http://store')
  const key = pathname
    .split('/')
    .slice(2)
    .join('/')
    .replace(/^in-here\//, '')
  const what = ['uploads', 'partNumber', 'uploadId', 'list-type'].filter((name) =>
    searchParams.has(name),
  )
  return `${method} ${key}${what.length > 0 ? `?${what.join('&')}` : ''}`
}

function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { status, code }: { status: number; code: string },
): void {
  incoming.resume()
  outgoing.writeHead(status, { 'content-type': 'application/xml' })
  outgoing.end(
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>secret words</Message></Error>`,
  )
}
