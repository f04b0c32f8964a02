import { reasons } from '../../src/errors.ts'
import { contentDigest, contentOf } from './content.ts'
import { type Answer, ConnectionLost, exchange, type Sending } from './exchange.ts'

/** One file on its way in, as its client knows it. Its name is its own among all. */
export interface Attempt {
  door: string
  name: string
  seed: number
  size: number
  /** Highest position that was handed to the network. */
  sent: number
  /** Highest offset that an answer has shown. */
  acknowledged: number
  /** As the ledger has it. */
  overlaps: boolean
  /**
   * `promised`: an answer said that it is done. `removed`: one said that it is gone. `refused`: the
   * server died in two inspections of it.
   */
  state: 'running' | 'promised' | 'removed' | 'refused' | 'given-up'
}

/** What its clients were told, and nothing that the server says about itself. */
export interface Ledger {
  attempts: readonly Attempt[]
  overlaps: boolean
  /** A file that begins now. */
  attempt(door: string, size: number): Attempt
  /** Answers that were 423 or 5xx, by status. */
  refusals: Map<number, number>
  /** Bytes handed to the network so far, by all. */
  sentBytes(): number
  /** Resolves when so many bytes more have been handed to the network. */
  passed(bytes: number): Promise<void>
  acknowledgedBytes(): number
}

export interface LedgerOptions {
  /**
   * Whether a request may be at work after its connection was lost, as behind a proxy that has given
   * up: then what came before it is known only when nobody is at it any more. Default false.
   */
  overlaps?: boolean
}

export function createLedger(
  seed: number,
  { overlaps = false }: LedgerOptions = {},
): Ledger & { moved(bytes: number): void } {
  const attempts: Attempt[] = []
  const waiting = new Set<{ at: number; resolve(): void }>()
  let total = 0
  return {
    overlaps,
    attempts,
    refusals: new Map(),
    attempt(door, size) {
      const nth = attempts.length
      const name = `${door}-${seed}-${nth}.bin`
      const attempt: Attempt = {
        door,
        name,
        seed: Math.imul(seed + nth, 0x9e3779b1),
        size,
        sent: 0,
        acknowledged: 0,
        overlaps,
        state: 'running',
      }
      attempts.push(attempt)
      return attempt
    },
    sentBytes: () => total,
    passed: (bytes) =>
      new Promise((resolve) => {
        waiting.add({ at: total + bytes, resolve })
      }),
    moved(bytes) {
      total += bytes
      for (const waiter of waiting) {
        if (total < waiter.at) continue
        waiting.delete(waiter)
        waiter.resolve()
      }
    },
    acknowledgedBytes: () => attempts.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
  }
}

/** What a client has to do with the world: a server that comes and goes, and the ledger. */
export interface Client {
  ledger: Ledger
  authorization: string
  /**
   * A request, with a part of a file in it where there is one. Rejects with ConnectionLost, or with
   * Refused where the answer is one that clients try again after.
   */
  ask(asking: Asking): Promise<Answer>
}

export interface Asking extends Omit<Sending, 'body' | 'length' | 'onSent' | 'url'> {
  /** Path on the server, or a URL of it. */
  to: string
  /** The file's bytes from `start`, with what stands around them in a form. */
  file?: {
    attempt: Attempt
    start: number
    length: number
    before?: Uint8Array
    after?: Uint8Array
  }
  /** A body that is no file. */
  plain?: Uint8Array
}

/** The server said that it cannot now. */
export class Refused extends Error {
  readonly answer: Answer
  constructor(answer: Answer, asking: Asking) {
    super(`${asking.method} ${asking.to}: ${answer.status} ${answer.text}`)
    this.answer = answer
  }
}

/** The server has lost its two tries to inspect the file, and says so for good. */
export class RefusedForGood extends Error {}

export const SLICE_BYTES = 16 * 1024
/** Statuses with which a server says that it cannot now: everything else has to be right. */
const PASSING = new Set([423, 503, 507])
/** What is said to a client whose earlier request has come further than it was told meanwhile. */
const isOverlap = ({ method }: Asking, { status }: Answer) =>
  status === 400 || status === 409 || (method === 'DELETE' && status === 410)

export interface ClientOptions {
  authorization: string
  ledger: ReturnType<typeof createLedger>
  /** Scheme and host of the server, once there is one. */
  server: () => Promise<string>
}

export function createClient({ authorization, ledger, server }: ClientOptions): Client {
  return {
    ledger,
    authorization,
    async ask(asking) {
      const { to, file, plain, ...rest } = asking
      const base = await server()
      const { body, onSent } = bodyOf(asking, ledger)
      const length = file
        ? file.length + (file.before?.length ?? 0) + (file.after?.length ?? 0)
        : plain?.length
      const answer = await exchange({
        ...rest,
        url: new URL(new URL(to, base).pathname, base).href,
        headers: { Authorization: authorization, ...rest.headers },
        body,
        onSent,
        ...(length === undefined ? {} : { length }),
      })
      const [unreadable, words] = reasons['file-unreadable']
      if (answer.status === unreadable || answer.text.includes(words))
        throw new RefusedForGood(`${asking.method} ${to}: ${answer.status} ${answer.text}`)
      const passes = PASSING.has(answer.status)
      if (!passes && !(ledger.overlaps && isOverlap(asking, answer))) return answer
      if (passes) requireHonest(answer)
      ledger.refusals.set(answer.status, (ledger.refusals.get(answer.status) ?? 0) + 1)
      throw new Refused(answer, asking)
    },
  }
}

/** A refusal says what its status says, in words that are safe to show. */
function requireHonest({ status, text }: Answer): void {
  const words: readonly string[] = Object.entries(reasons)
    // The chunked door says 503 where others say 423: its clients' libraries know only that.
    .filter(([reason, [known]]) => known === status || (status === 503 && reason === 'pending'))
    .map(([, [, sentence]]) => sentence)
  const says = text === '' || words.some((sentence) => text.includes(sentence))
  if (!says || /\/tmp|ECONN|E[A-Z]{2,5}:|select |update "|at .*\.ts/.test(text))
    throw new Error(`${status} with the words ${text}`)
}

function bodyOf({ file, plain }: Asking, ledger: { moved(bytes: number): void }) {
  const body: (Uint8Array | (() => Uint8Array))[] = []
  if (file === undefined) return { body: plain === undefined ? body : [plain], onSent: () => {} }
  const { attempt, start, length, before, after } = file
  const ends = new Map<number, number>()
  if (before) body.push(before)
  for (let at = start; at < start + length; at += SLICE_BYTES) {
    const bytes = Math.min(SLICE_BYTES, start + length - at)
    ends.set(body.length, at + bytes)
    body.push(() => {
      // Counted before it goes: what a dying server has got of it was sent.
      attempt.sent = Math.max(attempt.sent, at + bytes)
      return contentOf(attempt.seed, at, bytes)
    })
  }
  if (after) body.push(after)
  return { body, onSent: (part: number) => void (ends.has(part) && ledger.moved(SLICE_BYTES)) }
}

/** Notes an offset that the server has shown; it never goes back and never counts what was not sent. */
export function showOffset(attempt: Attempt, offset: number, among?: readonly number[]): void {
  const { name, acknowledged, sent } = attempt
  if (!Number.isSafeInteger(offset) || offset < acknowledged || offset > sent)
    throw new Error(`${name}: offset ${offset}, acknowledged ${acknowledged}, sent ${sent}`)
  if (among && !attempt.overlaps && !among.includes(offset))
    throw new Error(`${name}: offset ${offset}, where only ${among} can be true`)
  attempt.acknowledged = offset
}

/** An answer has said that the whole file is in. */
export function showDone(attempt: Attempt): void {
  attempt.acknowledged = attempt.size
  attempt.state = 'promised'
}

export function expectStatus(answer: Answer, ...statuses: number[]): void {
  if (!statuses.includes(answer.status)) throw new Error(`${answer.status} ${answer.text}`)
}

export const digestOf = ({ seed, size }: Attempt, algorithm = 'sha256') =>
  contentDigest(seed, size, algorithm)

export const isLost = (error: unknown): boolean => error instanceof ConnectionLost
