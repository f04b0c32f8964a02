import { randomBytes } from 'node:crypto'
import path from 'node:path'
import type { Context, Hono, MiddlewareHandler } from 'hono'
import type { Tokens } from './auth/tokens.ts'
import { createUsers } from './auth/users.ts'
import type { Config } from './config.ts'
import type { OpenDatabase } from './db/database.ts'
import type { Events } from './events/events.ts'
import { accountRoutes } from './http/accounts.ts'
import { authenticate, requirePermission } from './http/authenticate.ts'
import { type DocsDeps, docsRoutes } from './http/docs.ts'
import { eventsRoutes } from './http/events.ts'
import { healthRoutes } from './http/health.ts'
import { mediaPath, mediaRoutes } from './http/media.ts'
import { mediaBytesRoutes, sendFile } from './http/media-bytes.ts'
import { sendPart } from './http/part-bytes.ts'
import { webRoutes } from './http/web.ts'
import { webhooksRoutes } from './http/webhooks.ts'
import type { MediaAccess } from './media/access.ts'
import type { Inspector } from './media/inspect.ts'
import { createLocalFiles } from './media/local-files.ts'
import type { Manifests } from './media/manifests.ts'
import type { MediaFile } from './media/promote.ts'
import { toRecord } from './media/record.ts'
import { createMediaRepo, type MediaRepo } from './media/repo.ts'
import type { Delivery } from './media/serve.ts'
import { createSubmission } from './media/session-files.ts'
import { createThumbnails } from './media/thumbnails.ts'
import { createUpdate } from './media/update.ts'
import type { ChunkedDeps } from './protocols/chunked/deps.ts'
import { chunkedRoutes } from './protocols/chunked/door.ts'
import type { Env } from './protocols/env.ts'
import { createMultipartDoor } from './protocols/multipart/door.ts'
import { resumableHttpRoutes } from './protocols/resumable-http/door.ts'
import { type SessionDeps, sessionRoutes } from './protocols/sessions/door.ts'
import { tusRoutes } from './protocols/tus/door.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'
import type { Core } from './uploads/core.ts'
import { createUploads } from './uploads/create-uploads.ts'
import { largestSessionFile } from './uploads/session-rules.ts'
import { createSessions } from './uploads/sessions.ts'
import type { Uploads } from './uploads/uploads.ts'
import { readVersion } from './version.ts'
import { clientNetwork } from './wire/client-address.ts'

export interface DoorDeps {
  config: Config
  core: Core<MediaFile>
  database: OpenDatabase
  log: Log
  metrics: Metrics
  tokens: Tokens
  inspector: Inspector
  originOfRequest: (c: Context<Env>) => string
  /** 128 random bits: the part of a public URL that cannot be guessed. */
  newMediaKey: () => string
  /** Where every record has a manifest beside its bytes. */
  manifests: Manifests | undefined
  events: Events
  access: MediaAccess
  /** Where the pages are that the build makes. */
  assets: string
}

/** Every door with where it stands, in the order in which they are asked. */
export function createDoors(deps: DoorDeps): (readonly [path: string, routes: Hono<Env>])[] {
  const { config, core, database, log, tokens, originOfRequest, access } = deps
  const { urlOf } = access
  const { storage, now, newId } = core
  const uploads = createUploads(core)
  const repo = createMediaRepo(database.db)
  const delivery = { storage, serveWith: config.serveWith }
  const identify = authenticate(tokens, (c) =>
    clientNetwork({
      trustProxy: config.trustProxy,
      header: (name) => c.req.header(name),
      remote: c.env.incoming.socket.remoteAddress,
    }),
  )
  const localFiles = createLocalFiles({ storage, folder: path.join(config.dataDir, 'tmp') })
  const thumbnails = createThumbnails({
    storage,
    make: (row, width) => localFiles.lend(row, (path) => deps.inspector.thumbnail({ path, width })),
    exists: async (row) => (await repo.find(row.id)) !== undefined,
  })
  const tus = tusRoutes({
    uploads,
    authenticate: identify,
    log,
    path: '/files',
    maxSize: config.uploadMaxSize,
    newId,
    originOf: originOfRequest,
    linkOf: (file, origin) => ({ id: file.id, url: urlOf(file, origin) }),
    serve: (c, file, headers) => sendFile(c, delivery, file, { headers, cache: 'revalidate' }),
    servePart: (c, part, headers) => sendPart(c, delivery, part, headers),
  })
  const resumableHttp = resumableHttpRoutes({
    uploads,
    authenticate: identify,
    log,
    path: '/files',
    maxSize: config.uploadMaxSize,
    maxAppendSize: config.resumableHttpMaxAppendSize,
    expiresAfterMs: config.uploadExpiresAfterMs,
    interim: config.resumableHttpInterim,
    newId,
    now,
    originOf: originOfRequest,
    linkOf: (file, origin) => ({ id: file.id, url: urlOf(file, origin) }),
    async resultOf(file, origin) {
      const row = await repo.find(file.id)
      return row && { location: `${mediaPath}/${row.id}`, record: toRecord(row, origin, urlOf) }
    },
  })
  const media = mediaRoutes({
    authenticate: identify,
    repo,
    uploads,
    multipart: createMultipartDoor({
      uploads,
      maxSize: config.uploadMaxSize,
      idleMs: config.uploadIdleTimeoutMs,
      log,
    }),
    thumbnails,
    update: createUpdate({ repo, uploads, manifests: deps.manifests }),
    delivery,
    access,
    origin: originOfRequest,
    now,
  })
  return [
    ...(config.resumableHttp ? [['/files', resumableHttp] as const] : []),
    ['/files', tus],
    [mediaPath, media],
    [config.chunkedPath, chunkedRoutes(chunkedDeps(deps, { uploads, identify, repo }))],
    ['/upload-session', sessionRoutes(sessionDeps(deps, { uploads, identify, repo, delivery }))],
    ['/media', mediaBytesRoutes({ repo, delivery, access, tokens, now })],
    [
      '/api/events',
      eventsRoutes({ feed: deps.events.feed, tokens, originOf: originOfRequest, urlOf }),
    ],
    ['/api/webhooks', webhooksRoutes({ events: deps.events, tokens, originOf: originOfRequest })],
    ['/', healthRoutes({ parts: { database, storage }, metrics: deps.metrics })],
    ['/', docsRoutes(docsDeps(deps))],
    ['/', webRoutes({ folder: path.join(deps.assets, 'web'), mediaOrigins: mediaOrigins(config) })],
    [
      '/',
      accountRoutes({
        users: createUsers({ db: database.db, now }),
        tokens,
        originOf: originOfRequest,
      }),
    ],
  ]
}

/** Where the page finds bytes beside at its own server. */
function mediaOrigins({ publicUrl, serveWith }: Config): string[] {
  const urls = [publicUrl, serveWith.by === 'redirect' ? serveWith.mediaUrl : undefined]
  return urls.flatMap((url) => (url && URL.canParse(url) ? [new URL(url).origin] : []))
}

function docsDeps({ config, assets, originOfRequest }: DoorDeps): DocsDeps {
  return {
    folder: path.join(assets, 'docs'),
    originOf: originOfRequest,
    oneOrigin: config.publicUrl !== undefined,
    api: {
      version: readVersion(),
      chunked: {
        path: config.chunkedPath,
        fieldName: config.chunkedFieldName,
        checksum: config.chunkedChecksum,
      },
      resumableHttp: config.resumableHttp,
      mediaAccess: config.mediaAccess,
      sessionsReadonly: config.sessions.readonly,
    },
  }
}

function chunkedDeps(
  { config, core, log, originOfRequest, access }: DoorDeps,
  parts: { uploads: Uploads<MediaFile>; identify: MiddlewareHandler<Env>; repo: MediaRepo },
): ChunkedDeps<MediaFile> {
  const limits = [config.chunkedMaxBytes, config.uploadMaxSize].filter((limit) => limit !== null)
  return {
    uploads: parts.uploads,
    settings: {
      path: config.chunkedPath,
      storagePath: config.chunkedStoragePath,
      checksum: config.chunkedChecksum,
      fieldName: config.chunkedFieldName,
      maxBytes: limits.length === 0 ? null : Math.min(...limits),
      userRestricted: config.chunkedUserRestricted,
      completeExt: config.chunkedCompleteExt,
      incompleteExt: config.chunkedIncompleteExt,
      expirationMs: config.chunkedExpirationMs,
    },
    authenticate: parts.identify,
    permitted: requirePermission({ action: 'upload:create' }, config.allowAnonymousUploads),
    filesOf: parts.repo.byUploads,
    urlOf: access.urlOf,
    originOf: originOfRequest,
    idleMs: config.uploadIdleTimeoutMs,
    now: core.now,
    newId: core.newId,
    log,
  }
}

function sessionDeps(
  { config, core, database, log, originOfRequest, newMediaKey, manifests, access }: DoorDeps,
  parts: {
    uploads: Uploads<MediaFile>
    identify: MiddlewareHandler<Env>
    repo: MediaRepo
    delivery: Delivery
  },
): SessionDeps {
  const { now } = core
  const { db } = database
  const limits = config.sessions
  return {
    uploads: parts.uploads,
    sessions: createSessions({ db, limits, now, random: randomBytes }),
    creationRate: core.creationRate,
    submit: createSubmission({
      db,
      now,
      newKey: newMediaKey,
      manifests,
      onPublished(door) {
        core.meter.ended(door, 'published')
        core.at('published')
      },
    }),
    authenticate: parts.identify,
    readonly: limits.readonly,
    anonymousUploads: config.allowAnonymousUploads,
    maxFileBytes: Math.min(largestSessionFile(limits), config.uploadMaxSize ?? Infinity),
    idleMs: config.uploadIdleTimeoutMs,
    now,
    log,
    originOf: originOfRequest,
    mediaOf: parts.repo.byUpload,
    mediaUrlOf: access.urlOf,
    serve: (c, file) => sendFile(c, parts.delivery, file, { cache: 'revalidate' }),
  }
}
