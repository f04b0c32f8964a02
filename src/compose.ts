import { randomBytes, randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import path from 'node:path'
import { inArray } from 'drizzle-orm'
import type { Context, Hono, MiddlewareHandler } from 'hono'
import { ensureAdmin } from './auth/ensure-admin.ts'
import { createTokens, type Tokens } from './auth/tokens.ts'
import { createUsers } from './auth/users.ts'
import type { Config } from './config.ts'
import type { OpenDatabase } from './db/database.ts'
import { openEmbedded } from './db/pglite.ts'
import { openPostgres } from './db/postgres.ts'
import { uploads as uploadsTable } from './db/schema.ts'
import { accountRoutes } from './http/accounts.ts'
import { createApp } from './http/app.ts'
import { authenticate, requirePermission } from './http/authenticate.ts'
import { healthRoutes } from './http/health.ts'
import { type Listening, listen } from './http/listen.ts'
import { mediaPath, mediaRoutes } from './http/media.ts'
import { mediaBytesRoutes, sendFile } from './http/media-bytes.ts'
import { sendPart } from './http/part-bytes.ts'
import { requestLog } from './http/request-log.ts'
import { createInspector, type Inspector } from './media/inspect.ts'
import { createPromotion, type MediaFile } from './media/promote.ts'
import { mediaUrl, toRecord } from './media/record.ts'
import { createMediaRepo, type MediaRepo } from './media/repo.ts'
import { createScan, scanFirst } from './media/scan.ts'
import type { Delivery } from './media/serve.ts'
import { createSubmission } from './media/session-files.ts'
import { createThumbnails, thumbnailKeys } from './media/thumbnails.ts'
import type { ChunkedDeps } from './protocols/chunked/deps.ts'
import { chunkedRoutes } from './protocols/chunked/door.ts'
import type { Env } from './protocols/env.ts'
import { createMultipartDoor } from './protocols/multipart/door.ts'
import { resumableHttpRoutes } from './protocols/resumable-http/door.ts'
import { type SessionDeps, sessionRoutes } from './protocols/sessions/door.ts'
import { tusRoutes } from './protocols/tus/door.ts'
import { type Boot, readBoot } from './storage/boot.ts'
import { openDiskStorage } from './storage/disk.ts'
import type { Storage } from './storage/storage.ts'
import { createDigester } from './streams/digest.ts'
import { createLog, type Log } from './telemetry/log.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'
import type { Core, Step } from './uploads/core.ts'
import { createUploads } from './uploads/create-uploads.ts'
import { type Swept, sweep } from './uploads/expire.ts'
import { createImporter, type Importer } from './uploads/importer.ts'
import { createMemoryLock } from './uploads/lock-memory.ts'
import { adoptWrittenBytes, distrustLengths } from './uploads/recover.ts'
import { createUploadsRepo } from './uploads/repo.ts'
import { largestSessionFile } from './uploads/session-rules.ts'
import { createSessions } from './uploads/sessions.ts'
import { createSweeping } from './uploads/sweeping.ts'
import type { Uploads } from './uploads/uploads.ts'
import { originOf } from './wire/host.ts'

/** What tests put in the place of the real thing: clocks and faults, nothing else. */
export interface Replacements {
  now?: () => Date
  /** Called at every named step of an upload's life. */
  at?: (step: Step) => void
  log?: Log
  database?: OpenDatabase
  wrapStorage?: (storage: Storage) => Storage
}

export interface Landfall {
  /** Recovers what a crash left, then listens. Answers the admin's key the first time. */
  listen(): Promise<{ url: string; adminKey: string | null }>
  /** Expires and recovers once. */
  sweep(): Promise<Swept>
  /** Takes over users and files that are there already. */
  importer: Importer
  /** Stops taking requests, stores what running ones have brought, and lets go of everything. */
  close(): Promise<void>
}

const SWEEP_EVERY_MS = 60_000

/** The only place that builds things. */
export async function compose(config: Config, replaced: Replacements = {}): Promise<Landfall> {
  const now = replaced.now ?? (() => new Date())
  const log = replaced.log ?? createLog({ level: config.logLevel, format: config.logFormat })
  const database = replaced.database ?? (await openDatabase(config))
  const { db } = database
  const disk = await openDiskStorage({
    root: path.join(config.dataDir, 'files'),
    durability: config.durability,
  })
  const storage = replaced.wrapStorage?.(disk) ?? disk
  const boot = await readBoot(config.dataDir)
  const metrics = createMetrics({
    openUploads: () =>
      db.$count(uploadsTable, inArray(uploadsTable.state, ['creating', 'receiving'])),
  })
  const inspector = createInspector({
    maxImagePixels: config.maxImagePixels,
    log: (message, fields) => log.warn(fields, message),
  })
  const digester = createDigester()
  const stopping = new AbortController()
  // Every running body listens to it; there is no bound to warn at.
  setMaxListeners(0, stopping.signal)

  const promotion = createPromotion({
    db,
    inspector,
    pathOf: (key) => localPath(disk, key),
    derivedKeys: thumbnailKeys,
    accepted: config.acceptedFileFormats,
    now,
    newKey: newMediaKey,
    onInspected: () => replaced.at?.('inspected'),
  })

  const core: Core<MediaFile> = {
    repo: createUploadsRepo(
      db,
      { maxBytes: config.userMaxBytes, maxOpenUploads: config.userMaxOpenUploads },
      config.sessions,
    ),
    storage,
    digester,
    lock: createMemoryLock({ onWaited: metrics.lockWaited }),
    limits: {
      maxSize: config.uploadMaxSize,
      expiresAfterMs: config.uploadExpiresAfterMs,
      idleMs: config.uploadIdleTimeoutMs,
      anonymousUploads: config.allowAnonymousUploads,
      digestAlgorithms: config.mediaDigest === null ? [] : [config.mediaDigest],
      sessions: config.sessions,
    },
    hooks:
      config.clamav === null
        ? promotion
        : scanFirst(
            promotion,
            createScan({ clamav: config.clamav, storage, stopping: stopping.signal, log }),
          ),
    now,
    newId: () => randomUUID(),
    stopping: stopping.signal,
    at: replaced.at ?? (() => {}),
    meter: {
      ended: metrics.uploadEnded,
      received: metrics.bytesReceived,
      publishedIn: metrics.promoted,
    },
    log,
  }
  const tokens = createTokens({ db, now })
  const sweeping = createSweeping(() => sweep(core, db), {
    everyMs: SWEEP_EVERY_MS,
    onError: (err) => log.error({ err }, 'the sweep did not get through; it comes again'),
  })
  let listening: Listening | undefined
  const originOfRequest = (c: Context<Env>) =>
    originOf({
      publicUrl: config.publicUrl,
      trustProxy: config.trustProxy,
      header: (name) => (name === 'host' ? hostOf(c) : c.req.header(name)),
      fallbackHost: listening ? new URL(listening.url).host : config.host,
      encrypted: config.tls !== null,
    })
  const app = createApp({
    log,
    corsOrigins: config.corsOrigins,
    requestLog: requestLog({ log, metrics }),
    ownOptions: ['/files'],
    mounts: mounts({ config, core, database, log, metrics, tokens, inspector, originOfRequest }),
  })

  return {
    async listen() {
      await recover(core, database, boot, log)
      listening = await listen(app, config)
      // After the port is ours: a key that was made and not shown would be lost for ever.
      const { printedKey } = await ensureAdmin({ db, now }, { adminToken: config.adminToken })
      sweeping.start()
      inspector.warm()
      return { url: listening.url, adminKey: printedKey }
    },
    sweep: () => sweep(core, db),
    importer: createImporter({ core, db, adminToken: config.adminToken }),
    async close() {
      stopping.abort()
      await sweeping.stop()
      // The rest of SHUTDOWN_TIMEOUT is for letting go.
      await listening?.close(config.shutdownTimeoutMs * 0.8)
      await tokens.settled()
      await inspector.close()
      await digester.close()
      await database.close()
    },
  }
}

function openDatabase(config: Config): Promise<OpenDatabase> {
  return config.databaseUrl === undefined
    ? openEmbedded(config.dataDir)
    : openPostgres({ url: config.databaseUrl })
}

interface MountDeps {
  config: Config
  core: Core<MediaFile>
  database: OpenDatabase
  log: Log
  metrics: Metrics
  tokens: Tokens
  inspector: Inspector
  originOfRequest: (c: Context<Env>) => string
}

function mounts(deps: MountDeps): (readonly [path: string, routes: Hono<Env>])[] {
  const { config, core, database, log, tokens, originOfRequest } = deps
  const { storage, now, newId } = core
  const uploads = createUploads(core)
  const repo = createMediaRepo(database.db)
  const delivery = { storage, serveWith: config.serveWith }
  const identify = authenticate(tokens)
  const thumbnails = createThumbnails({
    storage,
    make: (row, width) =>
      deps.inspector.thumbnail({ path: localPath(storage, row.storageKey), width }),
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
    linkOf: (file, origin) => ({ id: file.id, url: mediaUrl(file, origin) }),
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
    linkOf: (file, origin) => ({ id: file.id, url: mediaUrl(file, origin) }),
    async resultOf(file, origin) {
      const row = await repo.find(file.id)
      return row && { location: `${mediaPath}/${row.id}`, record: toRecord(row, origin) }
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
    delivery,
    origin: originOfRequest,
    now,
  })
  return [
    ...(config.resumableHttp ? [['/files', resumableHttp] as const] : []),
    ['/files', tus],
    [mediaPath, media],
    [config.chunkedPath, chunkedRoutes(chunkedDeps(deps, { uploads, identify, repo }))],
    ['/upload-session', sessionRoutes(sessionDeps(deps, { uploads, identify, repo, delivery }))],
    ['/media', mediaBytesRoutes({ repo, delivery })],
    ['/', healthRoutes({ parts: { database, storage }, metrics: deps.metrics })],
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

/** HTTP/2 has `:authority` in the place of Host. */
function hostOf(c: Context<Env>): string | undefined {
  const authority = c.env.incoming.headers[':authority']
  return c.req.header('host') ?? (typeof authority === 'string' ? authority : undefined)
}

function chunkedDeps(
  { config, core, log, originOfRequest }: MountDeps,
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
    urlOf: mediaUrl,
    originOf: originOfRequest,
    idleMs: config.uploadIdleTimeoutMs,
    now: core.now,
    newId: core.newId,
    log,
  }
}

function sessionDeps(
  { config, core, database, log, originOfRequest }: MountDeps,
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
    submit: createSubmission({
      db,
      now,
      newKey: newMediaKey,
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
    mediaUrlOf: mediaUrl,
    serve: (c, file) => sendFile(c, parts.delivery, file, { cache: 'revalidate' }),
  }
}

/** 128 random bits: the part of a public URL that cannot be guessed. */
function newMediaKey(): string {
  return randomBytes(16).toString('base64url')
}

/** Inspection reads files. A backend whose objects are none will have to bring them here first. */
function localPath(storage: Storage, key: string): string {
  if (storage.localPath === undefined) throw new Error('this storage has no local files')
  return storage.localPath(key)
}

/**
 * What the process before this one left behind, before the first request. The embedded database is
 * ours alone, so whatever it shows half-done was left by the dead; a Postgres may have other
 * servers at work right now.
 */
async function recover(
  core: Core<MediaFile>,
  database: OpenDatabase,
  boot: Boot,
  log: Log,
): Promise<void> {
  if (!boot.same) await distrustLengths(database.db)
  const adopted = boot.same ? await adoptWrittenBytes(core, database.db) : 0
  const swept = await sweep(core, database.db, {
    settledAfterMs: database.kind === 'embedded' ? 0 : undefined,
  })
  await boot.remember()
  if (adopted > 0 || Object.values(swept).some((count) => count > 0))
    log.info({ adopted, ...swept }, 'recovered what the last run left')
}
