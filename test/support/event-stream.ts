export interface StreamedEvent {
  id: string | undefined
  event: string | undefined
  data: { type: string; timestamp: string; data: Record<string, unknown> }
}

/** A client of server-sent events over fetch, as a page has it that must send a token. */
export interface EventStream {
  response: Response
  /** All up to the first empty line. */
  opening: string
  /** The next event; null when the stream is over. */
  next(): Promise<StreamedEvent | null>
  /** The next comment; null when the stream is over. */
  comment(): Promise<string | null>
  close(): void
}

export async function openEvents(
  url: string,
  authorization: string | null,
  headers: Record<string, string>,
): Promise<EventStream> {
  const gone = new AbortController()
  const response = await fetch(url, {
    signal: gone.signal,
    headers: { ...(authorization === null ? {} : { Authorization: authorization }), ...headers },
  })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''

  /** A block of lines; null at the end, however it comes. */
  async function block(): Promise<string | null> {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end >= 0) {
        const found = text.slice(0, end + 2)
        text = text.slice(end + 2)
        return found
      }
      const { done, value } = (await reader?.read().catch(() => undefined)) ?? { done: true }
      if (done) return null
      text += value
    }
  }

  async function where<T>(take: (lines: string) => T | undefined): Promise<T | null> {
    for (let lines = await block(); lines !== null; lines = await block()) {
      const found = take(lines)
      if (found !== undefined) return found
    }
    return null
  }

  const opening = response.status === 200 ? ((await block()) ?? '') : ''
  return {
    response,
    opening,
    next: () =>
      where((lines) => {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(lines)?.[1]
        const data = field('data')
        if (data === undefined) return undefined
        return { id: field('id'), event: field('event'), data: JSON.parse(data) }
      }),
    comment: () => where((lines) => (lines.startsWith(':') ? lines.trim() : undefined)),
    close: () => gone.abort(),
  }
}
