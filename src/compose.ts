import { randomBytes, randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import path from 'node:path'
import { inArray } from 'drizzle-orm'
import type { Context } from 'hono'
import { ensureAdmin } from './auth/ensure-admin.ts'
import { createTokens } from './auth/tokens.ts'
import { createDoors } from './compose-doors.ts'
import type { Config } from './config.ts'
import type { OpenDatabase } from './db/database.ts'
import { openEmbedded } from './db/pglite.ts'
import { openPostgres } from './db/postgres.ts'
import { uploads as uploadsTable } from './db/schema.ts'
import { createApp } from './http/app.ts'
import { type Listening, listen } from './http/listen.ts'
import { requestLog } from './http/request-log.ts'
import { createInspector } from './media/inspect.ts'
import { createPromotion, type MediaFile } from './media/promote.ts'
import { createScan, scanFirst } from './media/scan.ts'
import { thumbnailKeys } from './media/thumbnails.ts'
import type { Env } from './protocols/env.ts'
import { readBoot } from './storage/boot.ts'
import { openDiskStorage } from './storage/disk.ts'
import type { Storage } from './storage/storage.ts'
import { createDigester } from './streams/digest.ts'
import { createLog, type Log } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'
import type { Core, Step } from './uploads/core.ts'
import { type Swept, sweep } from './uploads/expire.ts'
import { localPath } from './uploads/finish.ts'
import { createImporter, type Importer } from './uploads/importer.ts'
import { createMemoryLock } from './uploads/lock-memory.ts'
import { recover } from './uploads/recover.ts'
import { createUploadsRepo } from './uploads/repo.ts'
import { createSweeping } from './uploads/sweeping.ts'
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
    pathOf: (key) => localPath({ storage: disk }, key),
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
    mounts: createDoors({
      config,
      core,
      database,
      log,
      metrics,
      tokens,
      inspector,
      originOfRequest,
      newMediaKey,
    }),
  })

  return {
    async listen() {
      await recover(core, database, boot)
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

/** HTTP/2 has `:authority` in the place of Host. */
function hostOf(c: Context<Env>): string | undefined {
  const authority = c.env.incoming.headers[':authority']
  return c.req.header('host') ?? (typeof authority === 'string' ? authority : undefined)
}

/** 128 random bits: the part of a public URL that cannot be guessed. */
function newMediaKey(): string {
  return randomBytes(16).toString('base64url')
}
