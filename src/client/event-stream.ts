import { LandfallError } from './error.ts'
import type { LandfallEvent } from './records.ts'
import type { Request } from './request.ts'

export interface EventsOptions {
  /** Ends the stream; the iterator is done then. */
  signal?: AbortSignal
  /** `id` of the last event that was seen: what came after it comes first. Default: from now on. */
  lastEventId?: string
  /** Called whenever the stream is open, and whenever it was lost and is opened again soon. */
  onState?: (state: 'open' | 'waiting', error?: unknown) => void
}

/** The server sends a comment every 20 seconds; without one for so long the connection is dead. */
const SILENCE_MS = 60_000
/** Where the server does not say how soon to come back. */
const RETRY_MS = 3_000
const MAX_RETRY_MS = 60_000

/** What a connection has told, which outlives it. */
interface Position {
  lastEventId: string
  retryMs: number
}

/**
 * Events in order, each once. A connection that is lost is opened again and goes on where it was;
 * rejects with a LandfallError where that cannot help (401, 403, any other 4xx but 408 and 429).
 */
export async function* followEvents(
  request: Pick<Request, 'send'>,
  { signal, lastEventId = '', onState = () => {} }: EventsOptions,
): AsyncGenerator<LandfallEvent, void, undefined> {
  const position: Position = { lastEventId, retryMs: RETRY_MS }
  for (let failures = 0; !signal?.aborted; ) {
    let error: unknown
    try {
      for await (const event of connection(request, position, signal, () => onState('open'))) {
        failures = 0
        yield event
      }
    } catch (thrown) {
      if (signal?.aborted) return
      if (thrown instanceof LandfallError && isFinal(thrown.status)) throw thrown
      error = thrown
    }
    if (signal?.aborted) return
    onState('waiting', error)
    const asked = error instanceof LandfallError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
    const backOff = Math.min(position.retryMs * 2 ** failures, MAX_RETRY_MS)
    failures = error === undefined ? 0 : failures + 1
    await pause(Math.max(asked, backOff), signal)
  }
}

function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

async function* connection(
  request: Pick<Request, 'send'>,
  position: Position,
  signal: AbortSignal | undefined,
  onOpen: () => void,
): AsyncGenerator<LandfallEvent, void, undefined> {
  const controller = new AbortController()
  const abort = () => controller.abort(signal?.reason)
  signal?.addEventListener('abort', abort)
  let timer: ReturnType<typeof setTimeout> | undefined
  const listen = () => {
    clearTimeout(timer)
    timer = setTimeout(() => controller.abort(new Error('The stream is silent.')), SILENCE_MS)
  }
  try {
    listen()
    const { lastEventId } = position
    const response = await request.send('/api/events', {
      signal: controller.signal,
      headers: {
        Accept: 'text/event-stream',
        ...(lastEventId && { 'Last-Event-ID': lastEventId }),
      },
    })
    onOpen()
    const reader = response.body?.getReader()
    if (reader === undefined) return
    const decoder = new TextDecoder()
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      listen()
      // A CR LF that is cut in two would look like two ends of lines.
      const blocks = (text + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/)
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const event = readBlock(block, position)
        if (event !== null) yield event
      }
    }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    controller.abort()
  }
}

/** HTML Standard §9.2.6, as far as our server goes; null for a block that is no event. */
function readBlock(block: string, position: Position): LandfallEvent | null {
  const data: string[] = []
  for (const line of block.split(/\r?\n/)) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
    if (name === 'id') position.lastEventId = value
    if (name === 'data') data.push(value)
    if (name === 'retry' && /^[0-9]{1,9}$/.test(value)) position.retryMs = Number(value)
  }
  if (data.length === 0) return null
  return { ...JSON.parse(data.join('\n')), id: position.lastEventId } as LandfallEvent
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms)
    function done(): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    if (signal?.aborted) done()
    else signal?.addEventListener('abort', done)
  })
}
