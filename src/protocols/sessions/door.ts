import { type Context, type Handler, Hono, type MiddlewareHandler } from 'hono'
import { ownerIdOf } from '../../auth/actor.ts'
import { can } from '../../auth/can.ts'
import { Fault } from '../../errors.ts'
import type { MediaFile } from '../../media/new-record.ts'
import { heldFile, type SubmittedFile } from '../../media/session-files.ts'
import type { Log } from '../../telemetry/log.ts'
import type { CreationRate } from '../../uploads/creation-rate.ts'
import { isOpenSession, type Session, type Sessions } from '../../uploads/sessions.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { Uploads } from '../../uploads/uploads.ts'
import { toIsoMicros } from '../../wire/time.ts'
import type { Env } from '../env.ts'
import { clientGone } from '../node-request.ts'
import { type AddDeps, type Adding, addFile } from './add-file.ts'
import { fileJson, filesUrl, fileUrl, type Place, renderError, sessionJson } from './answer.ts'

export interface SessionDeps extends Omit<AddDeps, 'uploads' | 'log'> {
  uploads: Uploads<MediaFile>
  sessions: Sessions
  /** A session counts as an upload that is begun: an anonymous one is bounded by nothing else. */
  creationRate: CreationRate
  /** Makes media files of all files of a session, all of them or none. */
  submit: (token: string) => Promise<SubmittedFile[]>
  authenticate: MiddlewareHandler<Env>
  /** SESSION_READONLY: nothing is added or removed. */
  readonly: boolean
  anonymousUploads: boolean
  now: () => Date
  log: Pick<Log, 'warn' | 'error'>
  /** Scheme and host for absolute URLs. */
  originOf: (c: Context<Env>) => string
  mediaOf: (uploadId: string) => Promise<MediaFile | undefined>
  mediaUrlOf: (file: MediaFile, origin: string) => string
  /** Answers with the bytes of a file, as the media URL does. */
  serve: (c: Context<Env>, file: Omit<MediaFile, 'id'>) => Promise<Response>
}

type Handle = (deps: SessionDeps, c: Context<Env>) => Promise<Response>
type Handlers = Partial<Record<'GET' | 'POST' | 'DELETE', Handle>>

/** Upload sessions at `/upload-session`: the files of one form submission, added by name. */
export function sessionRoutes(deps: SessionDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  app.onError((error, c) => renderError(c, deps.log, error))
  app.use(deps.authenticate)
  app.use(async (c, next) => {
    const may = can(c.var.actor, { action: 'upload:create' }, deps.anonymousUploads)
    if (!may && c.req.method !== 'OPTIONS') throw new Fault('not-authenticated')
    c.header('Cache-Control', 'no-store')
    await next()
  })
  app.all('/', byMethod(deps, { GET: listSessions, POST: createSession }))
  app.all('/:token/files', byMethod(deps, { GET: listFiles, POST: upload }))
  app.all('/:token/files/:name', byMethod(deps, { GET: sendFile, DELETE: removeFile }))
  app.all('/:token/submit', byMethod(deps, { POST: submit }))
  app.all('*', () => {
    throw new Fault('not-found')
  })
  return app
}

/** Every other method is 405 with `Allow`; where nothing may change, all but GET are. */
function byMethod(deps: SessionDeps, handlers: Handlers): Handler<Env> {
  const names = Object.keys(handlers) as (keyof Handlers)[]
  const allowed = deps.readonly ? names.filter((name) => name === 'GET') : names
  const allow = [...allowed, ...(handlers.GET ? ['HEAD'] : []), 'OPTIONS'].join(', ')
  return async function byMethod(c) {
    const { method } = c.req
    if (method === 'OPTIONS') return c.body(null, 204, { Allow: allow })
    const wanted = method === 'HEAD' ? 'GET' : method
    const name = allowed.find((each) => each === wanted)
    const handle = name && handlers[name]
    if (handle) return handle(deps, c)
    return c.json({ error: `Method "${method}" not allowed.` }, 405, { Allow: allow })
  }
}

const tokenOf = (c: Context<Env>) => c.req.param('token') ?? ''

async function createSession(deps: SessionDeps, c: Context<Env>): Promise<Response> {
  deps.creationRate.admit(c.var.actor)
  const { token, expiresAt } = await deps.sessions.create(ownerIdOf(c.var.actor))
  const url = filesUrl(deps.originOf(c), token)
  const body = { uploadSessionToken: token, url, expires: toIsoMicros(expiresAt) }
  return c.json(body, 201, { Location: url })
}

async function listSessions(deps: SessionDeps, c: Context<Env>): Promise<Response> {
  const sessions = await deps.sessions.list(ownerIdOf(c.var.actor))
  const [origin, now] = [deps.originOf(c), deps.now()]
  return c.json({ sessions: sessions.map((session) => sessionJson(session, origin, now)) })
}

async function listFiles(deps: SessionDeps, c: Context<Env>): Promise<Response> {
  return inSession(deps, c, async (session, place) => {
    const files = isOver(deps, session) ? [] : await deps.sessions.files(session.token)
    const origin = deps.originOf(c)
    const complete = files.filter(({ state }) => state === 'held' || state === 'promoted')
    return c.json({ ...place, files: complete.map((file) => fileJson(file, origin)) })
  })
}

async function upload(deps: SessionDeps, c: Context<Env>): Promise<Response> {
  return inSession(deps, c, async (session, place) => {
    if (!isOpenSession(session, deps.now())) throw new Fault('session-closed')
    const { token } = session
    const { actor } = c.var
    const { incoming } = c.env
    const adding: Adding = {
      actor,
      token,
      incoming,
      filename: undefined,
      refusal: undefined,
      upload: undefined,
      lock: undefined,
    }
    try {
      const { filename } = await addFile(deps, adding)
      const url = fileUrl(deps.originOf(c), token, filename)
      return c.json({ file: filename, accepted: true, ...place, url })
    } catch (error) {
      const { filename: file, refusal } = adding
      const named = file !== undefined && error === refusal
      return renderError(c, deps.log, error, named ? { ...place, file } : place)
    }
  })
}

async function submit(deps: SessionDeps, c: Context<Env>): Promise<Response> {
  return inSession(deps, c, async ({ token }, place) => {
    const files = await deps.submit(token)
    const origin = deps.originOf(c)
    const shown = files.map(({ upload, media }) => ({
      ...fileJson(upload, origin),
      id: media?.id ?? null,
      f: media && deps.mediaUrlOf(media, origin),
    }))
    return c.json({ ...place, status: 'stored', files: shown })
  })
}

async function sendFile(deps: SessionDeps, c: Context<Env>): Promise<Response> {
  const { state, ...upload } = await findFile(deps, c)
  if (state === 'held') return deps.serve(c, heldFile({ ...upload, state }))
  const media = state === 'promoted' ? await deps.mediaOf(upload.id) : undefined
  if (media === undefined) throw noSuchFile()
  return deps.serve(c, { ...media, name: upload.filename })
}

async function removeFile(deps: SessionDeps, c: Context<Env>): Promise<Response> {
  const signal = clientGone(c.env)
  const { id, state, sessionToken } = await findFile(deps, c)
  if (state === 'promoted') throw notRemovable()
  // A name is used again: what lay in the socket of a server that stood still must not remove the
  // file that its client has put there meanwhile.
  const lock = await deps.uploads.lock(id, { signal })
  try {
    if (signal.aborted) throw new Fault('client-gone')
    await deps.uploads.terminate(lock, { keepsPublished: true })
  } catch (error) {
    if (!(error instanceof Fault && error.reason === 'upload-ended')) throw error
    // While this one waited, another request has removed the file, or submitted it.
    const session = await deps.sessions.find(sessionToken ?? '')
    throw session?.status === 'stored' ? notRemovable() : noSuchFile()
  } finally {
    lock.release()
  }
  return c.body(null, 204)
}

/** For the session's own user: a foreign token is answered like one that does not exist. */
async function inSession(
  deps: SessionDeps,
  c: Context<Env>,
  work: (session: Session, place: Place) => Promise<Response>,
): Promise<Response> {
  const place = { uploadSessionToken: tokenOf(c) }
  try {
    const session = await deps.sessions.find(tokenOf(c))
    const ownerId = session?.userId ?? null
    const own = can(c.var.actor, { action: 'session:use', ownerId }, deps.anonymousUploads)
    if (session === undefined || !own) throw new Fault('session-invalid')
    return await work(session, place)
  } catch (error) {
    return renderError(c, deps.log, error, place)
  }
}

/** For whoever may reach the files of the session: its user, staff and admin. */
async function findFile(deps: SessionDeps, c: Context<Env>): Promise<Upload> {
  const session = await deps.sessions.find(tokenOf(c))
  const ownerId = session?.userId ?? null
  const may = can(c.var.actor, { action: 'upload:access', ownerId }, deps.anonymousUploads)
  if (session === undefined || !may)
    throw new Fault('not-found', { text: 'Invalid filename or upload session token' })
  const name = isOver(deps, session) ? null : nameOf(c)
  const file = name === null ? undefined : await deps.sessions.file(session.token, name)
  if (file === undefined) throw noSuchFile()
  return file
}

/** Its time is up: whatever is still in it has only to be removed. */
function isOver({ now }: SessionDeps, session: Session): boolean {
  return session.status !== 'stored' && !isOpenSession(session, now())
}

/** The last segment of the path as it was sent, percent-decoded once; null where that cannot be. */
function nameOf(c: Context<Env>): string | null {
  const path = (c.env.incoming.url ?? '').split('?', 1)[0] ?? ''
  const segment = /([^/]+)\/*$/.exec(path)?.[1] ?? ''
  try {
    return decodeURIComponent(segment)
  } catch {
    return null
  }
}

function noSuchFile(): Fault {
  return new Fault('not-found', { text: 'File not found in upload session' })
}

function notRemovable(): Fault {
  return new Fault('bad-request', { text: 'Cannot remove file from upload session' })
}
