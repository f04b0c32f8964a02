import { request } from 'node:http'

export interface Answer {
  status: number
  headers: Record<string, string | undefined>
  text: string
}

/** The connection ended without an answer: nobody knows what became of the request. */
export class ConnectionLost extends Error {}

export interface Sending {
  method: string
  url: string
  headers?: Record<string, string>
  /** Parts of the body in order; those that are functions are made when their turn comes. */
  body?: readonly (Uint8Array | (() => Uint8Array))[]
  /** Content-Length; needed wherever there is a body. */
  length?: number
  /** Told of each part when it has been handed to the network. */
  onSent?: (part: number) => void
  /** Told of each 1xx answer. */
  onInterim?: (headers: Answer['headers']) => void
  signal?: AbortSignal
}

/**
 * A request on a connection of its own, its body piece by piece as the network takes it, so that a
 * server can die in the middle of it. An early answer ends the sending.
 */
export function exchange(sending: Sending): Promise<Answer> {
  const { method, url, headers = {}, body = [], length, onSent, onInterim, signal } = sending
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method,
      agent: false,
      headers: { ...headers, ...(length === undefined ? {} : { 'Content-Length': length }) },
      ...(signal ? { signal } : {}),
    })
    const lost = (cause?: unknown) => reject(new ConnectionLost('no answer', { cause }))
    let answered = false
    outgoing.on('error', lost)
    outgoing.on('close', () => lost())
    outgoing.on('information', ({ headers }) => onInterim?.(headers as Answer['headers']))
    outgoing.on('response', (incoming) => {
      answered = true
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (part: string) => {
        text += part
      })
      incoming.on('error', lost)
      incoming.on('end', () => {
        const answer = { status: incoming.statusCode ?? 0, text }
        resolve({ ...answer, headers: incoming.headers as Answer['headers'] })
        outgoing.destroy()
      })
    })
    const over = () => answered || outgoing.destroyed
    const send = (part: number): void => {
      if (over()) return
      const next = body[part]
      if (next === undefined) return void outgoing.end()
      const taken = outgoing.write(typeof next === 'function' ? next() : next)
      onSent?.(part)
      if (taken) setImmediate(send, part + 1)
      else outgoing.once('drain', () => send(part + 1))
    }
    send(0)
  })
}
