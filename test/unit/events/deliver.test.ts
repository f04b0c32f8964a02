import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDelivery, type Delivery } from '../../../src/events/deliver.ts'
import type { Attempted, Claimed, Outbox } from '../../../src/events/outbox.ts'
import { parseSecrets } from '../../../src/events/sign.ts'
import { type Receiver, startReceiver } from '../../support/receiver.ts'

const NEVER = 1_000_000

let receiver: Receiver
let delivery: Delivery
beforeEach(async () => {
  receiver = await startReceiver()
})
afterEach(async () => {
  await delivery.stop(0)
  await receiver.close()
})

/** An outbox in memory that gives what waits in it. */
function memoryOutbox() {
  const waiting: Claimed[] = []
  const recorded: { id: number; attempted: Attempted }[] = []
  const released: number[] = []
  const asked: number[] = []
  const listeners: (() => void)[] = []
  const told = () => {
    for (const listener of listeners.splice(0)) listener()
  }
  let trouble: Error | undefined
  const outbox: Pick<Outbox, 'begin' | 'claim' | 'record' | 'release'> = {
    begin: async () => {},
    async claim(limit) {
      asked.push(limit)
      told()
      if (trouble) throw trouble
      return waiting.splice(0, limit)
    },
    async record({ id }, attempted) {
      recorded.push({ id, attempted })
      told()
    },
    async release({ id }) {
      released.push(id)
      told()
    },
  }
  return {
    ...{ outbox: outbox as Outbox, recorded, released, asked },
    fails(error: Error | undefined) {
      trouble = error
    },
    add(count: number, attempt = 1) {
      for (let n = 0; n < count; n++) {
        const id = n + 1
        const payload = { id, upload: 'x', name: `${id}.txt` }
        const createdAt = '2026-03-04 05:06:07+00'
        const event = 'media.deleted'
        waiting.push({ id, event, payload, createdAt, messageId: `m-${id}`, attempt, claim: '' })
      }
    },
    /** Resolves when it is so; looks whenever something was said to the outbox. */
    async until(isSo: () => boolean) {
      while (!isSo()) await new Promise<void>((resolve) => listeners.push(resolve))
    },
  }
}

function deliverFrom(outbox: Outbox, tried: string[] = [], random = 0): Delivery {
  return createDelivery({
    webhook: {
      url: receiver.url,
      secrets: parseSecrets(receiver.secret) ?? [],
      allowPrivate: true,
    },
    ...{ outbox, origin: '', lookEveryMs: NEVER, random: () => random },
    urlOf: () => '',
    files: { find: async () => undefined },
    now: () => new Date(),
    newId: () => 'test',
    log: { warn() {}, error() {} },
    onTried: (outcome) => tried.push(outcome),
  })
}

describe('the delivery', () => {
  it('sends at most eight at a time, and goes on when one is done', async () => {
    const memory = memoryOutbox()
    memory.add(20)
    const open: ServerResponse[] = []
    let most = 0
    receiver.answer = (_, response) => {
      open.push(response)
      most = Math.max(most, open.length)
      if (receiver.received.length < 8) return
      for (const each of open.splice(0)) each.writeHead(204).end()
    }
    delivery = deliverFrom(memory.outbox)
    delivery.start()
    await receiver.count(8)
    // From here on each is answered at once.
    await memory.until(() => memory.recorded.length === 20)
    expect(most).toBe(8)
    expect(Math.max(...memory.asked)).toBe(8)
    expect(memory.recorded.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, at) => at + 1),
    )
  })

  it('looks when it is woken, and not all the time', async () => {
    const memory = memoryOutbox()
    delivery = deliverFrom(memory.outbox)
    delivery.start()
    await memory.until(() => memory.asked.length === 1)
    memory.add(1)
    delivery.wake()
    await memory.until(() => memory.recorded.length === 1)
    expect(receiver.received.map(({ id }) => id)).toEqual(['msg_m-1'])
    // Once for the word, once for what the delivery may have made due.
    await memory.until(() => memory.asked.length >= 3)
    expect(memory.asked.length).toBe(3)
  })

  it('goes on after the database was away', async () => {
    const memory = memoryOutbox()
    memory.fails(new Error('away'))
    delivery = deliverFrom(memory.outbox)
    delivery.start()
    await memory.until(() => memory.asked.length === 1)
    memory.fails(undefined)
    memory.add(1)
    delivery.wake()
    await memory.until(() => memory.recorded.length === 1)
  })

  it('tells what came of each try', async () => {
    const memory = memoryOutbox()
    const tried: string[] = []
    delivery = deliverFrom(memory.outbox, tried, 0.5)
    memory.add(1)
    delivery.start()
    await memory.until(() => memory.recorded.length === 1)
    receiver.answer = (_, response) => response.writeHead(500).end()
    memory.add(1, 2)
    delivery.wake()
    await memory.until(() => memory.recorded.length === 2)
    memory.add(1, 10)
    delivery.wake()
    await memory.until(() => memory.recorded.length === 3)
    expect(memory.recorded.map(({ attempted }) => attempted)).toMatchObject([
      { status: 204, error: null, next: 'delivered' },
      { status: 500, error: 'answered 500', next: { afterMs: 330_000 } },
      { status: 500, error: 'answered 500', next: 'given-up' },
    ])
    expect(tried).toEqual(['delivered', 'failed', 'given_up'])
  })

  it('asks for nothing while the receiver wants a rest', async () => {
    const memory = memoryOutbox()
    delivery = deliverFrom(memory.outbox)
    receiver.answer = (_, response) => response.writeHead(429, { 'Retry-After': '30' }).end()
    memory.add(1)
    delivery.start()
    await memory.until(() => memory.recorded.length === 1)
    const asked = memory.asked.length
    memory.add(1)
    delivery.wake()
    const { answered } = await delivery.test()
    expect(answered.status).toBe(429)
    expect(memory.asked.length).toBe(asked)
    expect(memory.recorded[0]?.attempted.next).toEqual({ afterMs: 30_000 })
  })

  it('puts back what a stop breaks off, and what it had not begun', async () => {
    const memory = memoryOutbox()
    memory.add(3)
    receiver.answer = () => {}
    delivery = deliverFrom(memory.outbox)
    delivery.start()
    await receiver.count(3)
    await delivery.stop(0)
    expect(memory.released.toSorted()).toEqual([1, 2, 3])
    expect(memory.recorded).toEqual([])
  })
})
