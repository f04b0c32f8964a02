/** What a LandfallError knows beside its words. */
export interface LandfallErrorDetails {
  /** Of the answer; 0 where there was none. */
  status: number
  detail?: string | null
  fields?: Readonly<Record<string, readonly string[]>>
  requestId?: string | null
  retryAfterSeconds?: number | null
  body?: unknown
  cause?: unknown
}

/**
 * The server refused a request, or gave no answer (`status` 0: it is away, or the address is not
 * that of a Landfall). `message` is for people: the words of the server where it has said any.
 */
export class LandfallError extends Error {
  readonly status: number
  /** What is wrong with the request as a whole; null where fields are. */
  readonly detail: string | null
  /** Messages by the field or parameter that they are about. */
  readonly fields: Readonly<Record<string, readonly string[]>>
  /** The id under which the server's log has this request. */
  readonly requestId: string | null
  /** After how many seconds a repetition makes sense, where the server says so. */
  readonly retryAfterSeconds: number | null
  /** The answer's body: parsed where it is JSON, text where it is not. */
  readonly body: unknown

  constructor(message: string, details: LandfallErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'LandfallError'
    this.status = details.status
    this.detail = details.detail ?? null
    this.fields = details.fields ?? {}
    this.requestId = details.requestId ?? null
    this.retryAfterSeconds = details.retryAfterSeconds ?? null
    this.body = details.body
  }
}

/** Longest text that is taken for words of the server: what a proxy sends is a page. */
const MAX_TEXT = 300

/** Reads an answer that is no 2xx. Never rejects. */
export async function errorOf(response: Response): Promise<LandfallError> {
  const text = await response.text().catch(() => '')
  const body = parse(text)
  const { detail, fields } = wordsOf(body)
  const words = [
    ...(detail === null ? [] : [detail]),
    ...Object.entries(fields).map(([field, messages]) => `${field}: ${messages.join(' ')}`),
  ]
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new LandfallError(words.join('\n') || `The server answered ${response.status}.`, {
    status: response.status,
    detail,
    fields,
    requestId: response.headers.get('x-request-id'),
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : null,
    body,
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/**
 * `{"detail"}` of the API, `{"error"}` of sessions, `{"title", "detail"}` of problem details, a line
 * of text of tus, and `{"field": ["…"]}`.
 */
function wordsOf(body: unknown): { detail: string | null; fields: Record<string, string[]> } {
  if (typeof body === 'string') {
    const line = body.trim()
    const isWords = line !== '' && line.length <= MAX_TEXT && !/[<\n]/.test(line)
    return { detail: isWords ? line : null, fields: {} }
  }
  if (typeof body !== 'object' || body === null) return { detail: null, fields: {} }
  const members: Record<string, unknown> = { ...body }
  const whole = [members.detail, members.error, members.title]
  const detail = whole.find((value) => typeof value === 'string') ?? null
  if (detail !== null) return { detail, fields: {} }
  const fields = Object.entries(members).flatMap(([name, value]) => {
    const messages = Array.isArray(value) ? value.map(String) : []
    return messages.length > 0 ? [[name, messages] as const] : []
  })
  return { detail: null, fields: Object.fromEntries(fields) }
}
