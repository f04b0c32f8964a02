import { randomBytes, randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inArray } from 'drizzle-orm'
import type { Context } from 'hono'
import { ensureAdmin } from './auth/ensure-admin.ts'
import { createTokens } from './auth/tokens.ts'
import { createDoors } from './compose-doors.ts'
import { openDatabase, openStorage } from './compose-stores.ts'
import type { Config } from './config.ts'
import type { OpenDatabase } from './db/database.ts'
import { uploads as uploadsTable } from './db/schema.ts'
import { createEvents } from './events/events.ts'
import { createOutbox } from './events/outbox.ts'
import { createApp } from './http/app.ts'
import { type Listening, listen } from './http/listen.ts'
import { requestLog } from './http/request-log.ts'
import { createCounting } from './media/counting.ts'
import { createInspector } from './media/inspect.ts'
import { bytesOf } from './media/local-files.ts'
import { manifestKey } from './media/manifest.ts'
import { createManifests } from './media/manifests.ts'
import { openMediaAccess } from './media/open-access.ts'
import { createPromotion, type MediaFile } from './media/promote.ts'
import { publishAnnounced } from './media/publish-announced.ts'
import { type RebuildOptions, type Rebuilt, rebuild } from './media/rebuild.ts'
import { createScan, scanFirst } from './media/scan.ts'
import { hasSearchIndex } from './media/search-index.ts'
import { thumbnailKeys } from './media/thumbnails.ts'
import type { Env } from './protocols/env.ts'
import { readBoot } from './storage/boot.ts'
import type { Storage } from './storage/storage.ts'
import { createDigester } from './streams/digest.ts'
import { createLog, type Log } from './telemetry/log.ts'
import { createMetrics, type MetricsSnapshot, type RenderedMetrics } from './telemetry/metrics.ts'
import type { Core, Step } from './uploads/core.ts'
import { createCreationRate } from './uploads/creation-rate.ts'
import { type Swept, sweep } from './uploads/expire.ts'
import { createImporter, type Importer } from './uploads/importer.ts'
import { createLocks } from './uploads/locks.ts'
import { fence, recover } from './uploads/recover.ts'
import { createUploadsRepo } from './uploads/repo.ts'
import { createSweeping } from './uploads/sweeping.ts'
import { originOf } from './wire/host.ts'

/** What tests, and the processes of WORKERS, put in the place of the usual. */
export interface Replacements {
  now?: () => Date
  /** Called at every named step of an upload's life. */
  at?: (step: Step) => void
  log?: Log
  database?: OpenDatabase
  /** Milliseconds after which a server that is not heard of counts as dead. */
  leaseMs?: number
  wrapStorage?: (storage: Storage) => Storage
  /** Where several processes answer as one (WORKERS): the figures of all of them. */
  renderMetrics?: () => Promise<RenderedMetrics>
  /** Where the pages are that the build makes. */
  assets?: string
}

export interface Landfall {
  /** Recovers what a crash left, then listens. Answers the admin's key the first time. */
  listen(): Promise<{ url: string; adminKey: string | null }>
  /** Expires and recovers once. */
  sweep(): Promise<Swept>
  /** Takes over users and files that are there already. */
  importer: Importer
  /** Makes records again from the manifests beside the bytes. Only while it does not listen. */
  rebuild(options: RebuildOptions): Promise<Rebuilt>
  /** What this process has measured. */
  snapshot(): Promise<MetricsSnapshot>
  /** Stops taking requests, stores what running ones have brought, and lets go of everything. */
  close(): Promise<void>
}

const SWEEP_EVERY_MS = 60_000
/** `npm run build` puts them there, beside the code when that is compiled. */
const ASSETS = fileURLToPath(new URL('../dist', import.meta.url))
/** The ends of an upload that write an event. */
const ANNOUNCED: ReadonlySet<string> = new Set(['published', 'rejected', 'terminated'])
const NO_SEARCH_INDEX =
  'the listing has no index for searches (extension pg_trgm): each of them reads every name'
const EMBEDDED =
  'the embedded database is for this process alone; what it holds survives a crash of the ' +
  'process, not a power cut'

/** The only place that builds things. */
export async function compose(config: Config, replaced: Replacements = {}): Promise<Landfall> {
  const now = replaced.now ?? (() => new Date())
  const log =
    replaced.log ??
    createLog({ level: config.logLevel, format: config.logFormat, pid: config.workers > 1 })
  const database = replaced.database ?? (await openDatabase(config))
  const { db } = database
  const letGo = async (error: unknown) => {
    await database.close()
    throw error
  }
  const access = await openMediaAccess({
    mode: config.mediaAccess,
    secrets: config.mediaSecrets,
    linkExpiresMs: config.mediaLinkExpiresMs,
    ...{ db, now },
  }).catch(letGo)
  const opened = await openStorage(config, db).catch(letGo)
  const storage = replaced.wrapStorage?.(opened.storage) ?? opened.storage
  const boot = await readBoot(config.dataDir)
  const outbox = createOutbox(db)
  const metrics = createMetrics({
    openUploads: () =>
      db.$count(uploadsTable, inArray(uploadsTable.state, ['creating', 'receiving'])),
    webhookPending: config.webhook === null ? undefined : outbox.pendingSeconds,
  })
  const events = createEvents({
    db,
    outbox,
    webhook: config.webhook,
    origin: config.publicUrl ?? '',
    urlOf: access.urlOf,
    now,
    newId: () => randomUUID(),
    log,
    onTried: metrics.webhookTried,
  })
  const inspector = createInspector({
    maxImagePixels: config.maxImagePixels,
    log: (message, fields) => log.warn(fields, message),
  })
  const digester = createDigester()
  const locks = createLocks(database, {
    log,
    onWaited: metrics.lockWaited,
    leaseMs: replaced.leaseMs,
    fence: (id, isOurs) => fence(core, id, isOurs),
  })
  const stopping = new AbortController()
  // Every running body listens to it; there is no bound to warn at.
  setMaxListeners(0, stopping.signal)

  const keepsManifests = config.mediaManifests ?? database.kind === 'embedded'
  const onStored = () => replaced.at?.('manifest-stored')
  const manifests = keepsManifests ? createManifests({ db, storage, onStored }) : undefined

  const afterReboot = async () => (keepsManifests ? publishAnnounced({ db, storage, log }) : 0)

  const promotion = createPromotion({
    db,
    inspector,
    bytesOf: (key) => bytesOf(storage, key),
    derivedKeys: (key) => [manifestKey(key), ...thumbnailKeys(key)],
    accepted: config.acceptedFileFormats,
    now,
    newKey: newMediaKey,
    manifests,
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
    lock: locks.lock,
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
    creationRate: createCreationRate({ perMinute: config.userMaxCreationsPerMinute, now }),
    now,
    newId: () => randomUUID(),
    stopping: stopping.signal,
    at: replaced.at ?? (() => {}),
    meter: {
      ended(door, outcome) {
        metrics.uploadEnded(door, outcome)
        if (ANNOUNCED.has(outcome)) events.wake()
      },
      received: metrics.bytesReceived,
      publishedIn: metrics.promoted,
    },
    log,
  }
  const tokens = createTokens({ db, now })
  // Where there are several servers, one of them is enough.
  const sweepInTurn = async () => (locks.isFirst() ? sweep(core, db) : null)
  const sweeping = createSweeping(sweepInTurn, {
    everyMs: SWEEP_EVERY_MS,
    onError: (err) => log.error({ err }, 'the sweep did not get through; it comes again'),
  })
  const counting = createCounting(database, { isFirst: locks.isFirst, log })
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
    mounts: createDoors({
      config,
      core,
      database,
      log,
      metrics: { ...metrics, render: replaced.renderMetrics ?? metrics.render },
      tokens,
      inspector,
      originOfRequest,
      newMediaKey,
      manifests,
      events,
      access,
      assets: replaced.assets ?? ASSETS,
    }),
  })

  return {
    async listen() {
      if (database.kind === 'embedded')
        log.info({ database: 'embedded', manifests: keepsManifests }, EMBEDDED)
      else if (!(await hasSearchIndex(db)))
        log.warn({ docs: 'docs/operations.md' }, NO_SEARCH_INDEX)
      await recover(core, database, boot, locks.lease, afterReboot)
      // Before the first request: what that one publishes is to be delivered.
      await events.begin()
      listening = await listen(app, { ...config, log })
      // After the port is ours: a key that was made and not shown would be lost for ever.
      const { printedKey } = await ensureAdmin({ db, now }, { adminToken: config.adminToken })
      sweeping.start()
      counting.start()
      inspector.warm()
      events.start()
      return { url: listening.url, adminKey: printedKey }
    },
    sweep: () => sweep(core, db),
    snapshot: metrics.snapshot,
    importer: createImporter({ core, db, adminToken: config.adminToken }),
    rebuild: (options) => rebuild({ db, storage, now, manifests: keepsManifests }, options),
    async close() {
      stopping.abort()
      // The rest of SHUTDOWN_TIMEOUT is for letting go.
      const endingMs = config.shutdownTimeoutMs * 0.8
      await Promise.all([
        listening?.close(endingMs),
        events.stop(endingMs),
        sweeping.stop(),
        counting.stop(),
      ])
      await tokens.settled()
      await inspector.close()
      await digester.close()
      await locks.close()
      opened.close()
      await database.close()
    },
  }
}

/** HTTP/2 has `:authority` in the place of Host. */
function hostOf(c: Context<Env>): string | undefined {
  const authority = c.env.incoming.headers[':authority']
  return c.req.header('host') ?? (typeof authority === 'string' ? authority : undefined)
}

/** 128 random bits: the part of a public URL that cannot be guessed. */
function newMediaKey(): string {
  return randomBytes(16).toString('base64url')
}
