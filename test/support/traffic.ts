import { setTimeout as delay } from 'node:timers/promises'
import { createRandom, type Random } from './content.ts'
import {
  type Client,
  createClient,
  createLedger,
  isLost,
  type Ledger,
  Refused,
  RefusedForGood,
} from './ledger.ts'
import { resumableSender, type Sender, type SenderOptions, tusSender } from './senders.ts'
import { chunkedSender, formSender, sessionSender } from './senders-forms.ts'

/** Every way in, by the name that its files have. */
export const doors = {
  tus: (options: SenderOptions) => tusSender(options, 'tus'),
  'tus-with-upload': (options: SenderOptions) =>
    tusSender(options, 'tus-with-upload', { withUpload: true, removes: true }),
  'tus-checksum': (options: SenderOptions) =>
    tusSender(options, 'tus-checksum', { withUpload: true, checksum: true }),
  ietf: (options: SenderOptions) => resumableSender(options, 'ietf'),
  chunked: (options: SenderOptions) => chunkedSender(options, 'chunked'),
  'chunked-whole': (options: SenderOptions) => formSender(options, 'chunked-whole', 'chunked'),
  session: (options: SenderOptions) => sessionSender(options, 'session'),
  multipart: (options: SenderOptions) => formSender(options, 'multipart', 'media'),
} satisfies Record<string, (options: SenderOptions) => Sender>

export type Door = keyof typeof doors
export const doorNames = Object.keys(doors) as Door[]

/** What a server needs so that nothing but the fault stands in the way of these clients. */
export const trafficEnv = {
  RESUMABLE_HTTP_INTERIM: 'true',
  SESSION_MAX_OPEN: '100000',
  USER_MAX_OPEN_UPLOADS: '100000',
}

export interface Traffic {
  ledger: Ledger
  client: Client
  random: Random
  /** The server is there. One that is `mortal` may go at any moment by itself. */
  up(url: string, options?: { mortal?: boolean }): void
  /** The server is about to go: until the next one, requests wait and may be lost. */
  down(): void
  /** Ends when every client has brought what it had begun. No client begins anything new. */
  finish(): Promise<void>
  /** Rejects when a client has met what it never should. */
  failed: Promise<never>
}

export interface TrafficOptions {
  seed: number
  authorization: string
  /** Bytes of the largest file. */
  largest: number
  /** Files that go in through each door at a time. Default 1. */
  abreast?: number
  /** As a ledger has it. */
  overlaps?: boolean
  /** The server dies again and again, so that a file may use up its inspections. Default false. */
  deaths?: boolean
}

/** Clients of all doors at once, one file after the other, until they are told to finish. */
export function startTraffic(options: TrafficOptions): Traffic {
  const { seed, authorization, largest, abreast = 1, overlaps = false, deaths = false } = options
  const random = createRandom(seed)
  const ledger = createLedger(seed, { overlaps })
  let gate = closedGate()
  const client = createClient({ authorization, ledger, server: () => gate.url })
  let finishing = false
  let fail: (error: unknown) => void = () => {}
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject
  })
  failed.catch(() => {})

  async function run(door: Door): Promise<void> {
    while (!finishing) {
      const sender = doors[door]({ client, random, largest })
      for (let done = false; !done; ) {
        const generation = gate
        done = await sender.step().catch(async (error: unknown) => {
          const lost = isLost(error)
          if (deaths && error instanceof RefusedForGood) {
            sender.refused()
            return true
          }
          if (!lost && !(error instanceof Refused)) throw error
          // A connection may only be lost where somebody has taken the server away.
          if (lost && generation === gate && gate.isOpen && !gate.mortal)
            throw new Error(`${door} lost its connection`, { cause: error })
          sender.failed(!lost)
          await delay(20)
          return false
        })
      }
    }
  }

  const running = doorNames.flatMap((door) =>
    Array.from({ length: abreast }, () => run(door).catch((error: unknown) => fail(error))),
  )
  return {
    ledger,
    client,
    random,
    failed,
    up(url, { mortal = false } = {}) {
      gate.mortal = mortal
      gate.open(url)
    },
    down() {
      gate = closedGate()
    },
    async finish() {
      finishing = true
      await Promise.race([Promise.all(running), failed])
    },
  }
}

/** Where a server's address comes from once it has one. */
function closedGate() {
  let open: (url: string) => void = () => {}
  const url = new Promise<string>((resolve) => {
    open = resolve
  })
  const gate = {
    url,
    isOpen: false,
    mortal: false,
    open(url: string) {
      gate.isOpen = true
      open(url)
    },
  }
  return gate
}
