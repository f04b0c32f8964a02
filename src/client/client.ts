import { type EventsOptions, followEvents } from './event-stream.ts'
import type {
  FileQuery,
  LandfallEvent,
  MediaFile,
  NewToken,
  NewUser,
  OpenSession,
  Page,
  Session,
  SessionFile,
  SharedLink,
  Slice,
  SubmittedFile,
  Token,
  User,
  WebhookDelivery,
  WebhookEvent,
  WebhookTest,
} from './records.ts'
import { createRequest, type Request, type RequestOptions, withQuery } from './request.ts'

// The face of the package (`landfall/client`): what its users import, they import from here.
export { LandfallError } from './error.ts'
export type { EventsOptions } from './event-stream.ts'
export type * from './records.ts'

export interface ClientOptions {
  /**
   * Scheme and host of the server, such as `https://files.example.org`. Default `''`: where the
   * page comes from.
   */
  url?: string
  /** Default: none. */
  token?: string | null
  /** Default: the one of the platform. */
  fetch?: typeof fetch
  /** Milliseconds for an answer in JSON, forms excepted. Default 30,000. */
  timeoutMs?: number
}

/** What every call takes last: aborted, it rejects with the signal's reason. */
export interface CallOptions {
  signal?: AbortSignal
}

/** A file in one request. What is large or must survive a bad network goes through tus instead. */
export interface FormUpload {
  file: Blob
  /** The file's own name. Default: that of a `File`, else `file`. */
  filename?: string
  /** Default: the file's own name. */
  name?: string
  description?: string
}

/**
 * A Landfall server. Every method rejects with a LandfallError where the server refuses, or does not
 * answer.
 */
export interface Client {
  /** The user whose token it is. */
  me(options?: CallOptions): Promise<User>
  /** For staff and admins. */
  files: {
    list(query?: FileQuery, options?: CallOptions): Promise<Page<MediaFile>>
    /** Every file of all pages, by `offset`: what appears or goes meanwhile moves the others. */
    each(query?: FileQuery, options?: CallOptions): AsyncGenerator<MediaFile, void, undefined>
    get(id: number, options?: CallOptions): Promise<MediaFile>
    update(
      id: number,
      changes: { name?: string; description?: string },
      options?: CallOptions,
    ): Promise<MediaFile>
    delete(id: number, options?: CallOptions): Promise<void>
    upload(form: FormUpload, options?: CallOptions): Promise<MediaFile>
    /**
     * A link that opens the bytes for anybody until it ends.
     *
     * @param link `expires_in`: seconds, or a duration such as `24h`; at most 365 days. Default: the
     * server's.
     */
    share(
      id: number,
      link?: { expires_in?: number | string; download?: boolean },
      options?: CallOptions,
    ): Promise<SharedLink>
    /** A WebP of an image, as wide as the smallest of 80, 160, 320, 640, 1280 that fits. */
    thumbnail(id: number, width?: number, options?: CallOptions): Promise<Blob>
  }
  /** For admins. */
  users: {
    list(slice?: Slice, options?: CallOptions): Promise<Page<User>>
    each(options?: CallOptions): AsyncGenerator<User, void, undefined>
    get(id: number, options?: CallOptions): Promise<User>
    create(user: NewUser, options?: CallOptions): Promise<User>
    update(
      id: number,
      changes: Partial<NewUser> & { is_active?: boolean },
      options?: CallOptions,
    ): Promise<User>
    /** Their tokens are ended for good, their files stay. */
    deactivate(id: number, options?: CallOptions): Promise<void>
  }
  /** For admins. */
  tokens: {
    list(userId: number, slice?: Slice, options?: CallOptions): Promise<Page<Token>>
    create(
      userId: number,
      token?: { name?: string; expires_at?: string | null },
      options?: CallOptions,
    ): Promise<NewToken>
    /** From the next request on. */
    revoke(id: number, options?: CallOptions): Promise<void>
  }
  /** For admins. */
  webhooks: {
    events(
      query?: Slice & { event?: string; state?: string },
      options?: CallOptions,
    ): Promise<Page<WebhookEvent>>
    deliveries(
      query?: Slice & { event?: string; outcome?: string; event_id?: number },
      options?: CallOptions,
    ): Promise<Page<WebhookDelivery>>
    resend(eventId: number, options?: CallOptions): Promise<WebhookEvent>
    test(options?: CallOptions): Promise<WebhookTest>
  }
  /** The files of one form, submitted together. */
  sessions: {
    list(options?: CallOptions): Promise<Session[]>
    create(options?: CallOptions): Promise<OpenSession>
    files(token: string, options?: CallOptions): Promise<SessionFile[]>
    /** Answers the name and URL that the file has in the session. */
    add(
      token: string,
      file: Blob,
      filename?: string,
      options?: CallOptions,
    ): Promise<{ file: string; url: string }>
    remove(token: string, name: string, options?: CallOptions): Promise<void>
    /** All files become media files, or none does. */
    submit(token: string, options?: CallOptions): Promise<SubmittedFile[]>
  }
  /**
   * What happens from now on, to files that the token may see: events in order, each once. A lost
   * connection is opened again and nothing is missed; ends when `signal` is aborted.
   */
  events(options?: EventsOptions): AsyncGenerator<LandfallEvent, void, undefined>
  /**
   * A request of any kind with the token, for what has no method here.
   *
   * @param path with its leading slash, such as `/files/`.
   */
  request(path: string, init?: RequestInit): Promise<Response>
}

const EACH = 1000

export function createClient(options: ClientOptions = {}): Client {
  const { url = '', token = null, timeoutMs = 30_000 } = options
  // Called as a plain function: the platform's own refuses another `this`.
  const fetch = options.fetch ?? ((...args) => globalThis.fetch(...args))
  const request = createRequest({ url, token, fetch, timeoutMs })
  const call = callerOf(request)
  return {
    me: (options) => call('GET', '/api/me', options),
    files: filesOf(call, request),
    users: usersOf(call),
    tokens: {
      list: (userId, query, options) =>
        call('GET', `/api/users/${userId}/tokens`, { ...options, ...(query && { query }) }),
      create: (userId, json = {}, options) =>
        call('POST', `/api/users/${userId}/tokens`, { ...options, json }),
      revoke: (id, options) => call('DELETE', `/api/tokens/${id}`, options),
    },
    webhooks: {
      events: (query = {}, options) => call('GET', '/api/webhooks/events', { ...options, query }),
      deliveries: (query = {}, options) =>
        call('GET', '/api/webhooks/deliveries', { ...options, query }),
      resend: (id, options) => call('POST', `/api/webhooks/events/${id}/resend`, options),
      test: (options) => call('POST', '/api/webhooks/test', options),
    },
    sessions: sessionsOf(call),
    events: (options = {}) => followEvents(request, options),
    request: request.send,
  }
}

type Call = <Answer>(method: string, path: string, options?: RequestOptions) => Promise<Answer>

/** The server's own tests hold its answers against these types. */
function callerOf({ json }: Request): Call {
  return async <Answer>(method: string, path: string, options?: RequestOptions) =>
    (await json(method, path, options)) as Answer
}

/** Page after page by offset rather than by the `next` links, which may name a public host. */
async function* eachOf<Item>(
  list: (slice: { limit: number; offset: number }) => Promise<Page<Item>>,
  { limit = Number.POSITIVE_INFINITY, offset = 0 }: Slice,
): AsyncGenerator<Item, void, undefined> {
  for (let given = 0; given < limit; ) {
    const page = await list({ limit: Math.min(EACH, limit - given), offset: offset + given })
    yield* page.results
    given += page.results.length
    if (page.results.length === 0 || offset + given >= page.count) return
  }
}

function filesOf(call: Call, { send }: Request): Client['files'] {
  const path = '/api/media/files'
  const list: Client['files']['list'] = (query = {}, options) =>
    call('GET', path, { ...options, query })
  return {
    list,
    each: (query = {}, options) => eachOf((slice) => list({ ...query, ...slice }, options), query),
    get: (id, options) => call('GET', `${path}/${id}`, options),
    update: (id, json, options) => call('PATCH', `${path}/${id}`, { ...options, json }),
    delete: (id, options) => call('DELETE', `${path}/${id}`, options),
    upload({ file, filename, name, description }, options) {
      const body = new FormData()
      if (name !== undefined) body.set('name', name)
      if (description !== undefined) body.set('description', description)
      body.set('f', file, filename ?? nameOf(file))
      return call('POST', path, { ...options, body })
    },
    share: (id, json = {}, options) => call('POST', `${path}/${id}/links`, { ...options, json }),
    async thumbnail(id, width, options) {
      const answer = await send(withQuery(`${path}/${id}/thumbnail`, { width }), options)
      return answer.blob()
    },
  }
}

function usersOf(call: Call): Client['users'] {
  const list: Client['users']['list'] = (query = {}, options) =>
    call('GET', '/api/users', { ...options, query })
  return {
    list,
    each: (options) => eachOf((slice) => list(slice, options), {}),
    get: (id, options) => call('GET', `/api/users/${id}`, options),
    create: (json, options) => call('POST', '/api/users', { ...options, json }),
    update: (id, json, options) => call('PATCH', `/api/users/${id}`, { ...options, json }),
    deactivate: (id, options) => call('DELETE', `/api/users/${id}`, options),
  }
}

function sessionsOf(call: Call): Client['sessions'] {
  const path = '/upload-session'
  return {
    async list(options) {
      const { sessions } = await call<{ sessions: Session[] }>('GET', `${path}/`, options)
      return sessions
    },
    create: (options) => call('POST', `${path}/`, options),
    async files(token, options) {
      const to = `${path}/${token}/files/`
      const { files } = await call<{ files: SessionFile[] }>('GET', to, options)
      return files
    },
    add(token, file, filename, options) {
      const body = new FormData()
      body.set('file', file, filename ?? nameOf(file))
      return call('POST', `${path}/${token}/files/`, { ...options, body })
    },
    remove: (token, name, options) =>
      call('DELETE', `${path}/${token}/files/${encodeURIComponent(name)}/`, options),
    async submit(token, options) {
      const to = `${path}/${token}/submit`
      const { files } = await call<{ files: SubmittedFile[] }>('POST', to, options)
      return files
    },
  }
}

/** A `File` is a Blob with a name, in every browser and in Node. */
function nameOf(file: Blob): string {
  return 'name' in file && typeof file.name === 'string' ? file.name : 'file'
}
