import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { keepSecret } from './secrets.ts'

export interface Received {
  /** `webhook-id`. */
  id: string
  headers: IncomingMessage['headers']
  /** What the library of Standard Webhooks has verified and parsed. */
  message: { type: string; timestamp: string; data: Record<string, unknown> }
}

export interface Receiver {
  url: string
  secret: string
  /** Settings of a server that sends here. */
  env: Record<string, string>
  /** What has come, in order. */
  received: Received[]
  /** Requests whose signature was refused. */
  refused: string[]
  /** Resolves when so many have come in all. */
  count(n: number): Promise<Received[]>
  /** Called for each; without it the answer is 204. */
  answer: (request: Received, response: ServerResponse) => unknown
  close(): Promise<void>
}

export function newSecret(): string {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  keepSecret(secret)
  return secret
}

/** A receiver of webhooks on loopback. */
export async function startReceiver(): Promise<Receiver> {
  const secret = newSecret()
  const verifier = new Webhook(secret)
  const waiting = new Set<() => void>()
  const server = createServer(async (request, response) => {
    const body = await text(request)
    try {
      const headers = request.headers as Record<string, string>
      const message = verifier.verify(body, headers) as Received['message']
      const received = { id: headers['webhook-id'] ?? '', headers: request.headers, message }
      receiver.received.push(received)
      for (const look of waiting) look()
      receiver.answer(received, response)
    } catch (error) {
      receiver.refused.push(String(error))
      response.writeHead(401).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = `http://127.0.0.1:${address.port}/hook`
  const receiver: Receiver = {
    url,
    secret,
    env: { WEBHOOK_URL: url, WEBHOOK_SECRET: secret, WEBHOOK_ALLOW_PRIVATE: 'true' },
    received: [],
    refused: [],
    answer: (_, response) => void response.writeHead(204).end(),
    count: (n) =>
      new Promise((resolve) => {
        const look = () => {
          if (receiver.received.length < n) return
          waiting.delete(look)
          resolve(receiver.received)
        }
        waiting.add(look)
        look()
      }),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return receiver
}
