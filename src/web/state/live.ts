import type { Client, LandfallEvent } from '../../client/client.ts'

/** Milliseconds between two looks while there is no stream. */
const POLL_MS = 15_000
/** So long a stream may be away before the page looks by itself. */
const PATIENCE_MS = 5_000

export interface LiveOptions {
  client: Client
  onEvent: (event: LandfallEvent) => void
  /** Something may have happened that no event has told. */
  onLook: () => void
  /** The stream is open, or the page looks every now and then. */
  onState: (state: 'live' | 'polling') => void
}

/** A page that is not seen gives its connection back after so long: a browser has few of them. */
const HIDDEN_MS = 30_000

/** Follows what happens on the server until it is stopped. */
export function followLive(options: LiveOptions): () => void {
  let stop: (() => void) | null = follow(options)
  let timer: ReturnType<typeof setTimeout> | undefined
  const onVisibility = () => {
    clearTimeout(timer)
    if (document.visibilityState === 'hidden') {
      timer = setTimeout(() => {
        stop?.()
        stop = null
      }, HIDDEN_MS)
    } else if (stop === null) {
      // What happened meanwhile is found by looking.
      options.onLook()
      stop = follow(options)
    }
  }
  document.addEventListener('visibilitychange', onVisibility)
  return () => {
    document.removeEventListener('visibilitychange', onVisibility)
    clearTimeout(timer)
    stop?.()
  }
}

function follow({ client, onEvent, onLook, onState }: LiveOptions): () => void {
  const ending = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined

  const poll = (inMs: number) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      onState('polling')
      if (document.visibilityState === 'visible') onLook()
      poll(POLL_MS)
    }, inMs)
  }

  async function read(): Promise<void> {
    const events = client.events({
      signal: ending.signal,
      onState(state) {
        if (state === 'waiting') return poll(PATIENCE_MS)
        clearTimeout(timer)
        onState('live')
      },
    })
    for await (const event of events) onEvent(event)
  }

  poll(PATIENCE_MS)
  read().catch(() => {
    // A proxy that lets no stream through, or a token that has ended: looking finds out.
    if (!ending.signal.aborted) poll(0)
  })
  return () => {
    ending.abort()
    clearTimeout(timer)
  }
}
