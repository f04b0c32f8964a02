import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { type MediaSettings, mediaOf } from './config-media.ts'
import { problemsOfNames } from './config-names.ts'
import { type S3Settings, s3Of } from './config-s3.ts'
import * as kinds from './config-values.ts'
import { defaults, type VariableName } from './config-variables.ts'
import { webhookOf } from './config-webhook.ts'
import type { Webhook } from './events/deliver.ts'
import type { AcceptedFormats } from './media/accept.ts'
import { type LogFormat, type LogLevel, logFormats, logLevels } from './telemetry/log.ts'
import type { SessionLimits } from './uploads/session-rules.ts'

/** Every setting, checked. Frozen; sizes in bytes, times in milliseconds. */
export interface Config extends MediaSettings {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Scheme and host without a slash at the end; undefined: from the request. */
  readonly publicUrl: string | undefined
  readonly trustProxy: boolean
  /** Undefined: the embedded database in `dataDir`. */
  readonly databaseUrl: string | undefined
  /** Absolute. */
  readonly dataDir: string
  readonly storage: 'disk' | 's3'
  /** Null with `storage: 'disk'`. */
  readonly s3: S3Settings | null
  readonly durability: 'power' | 'process'
  /** Null: no limit. */
  readonly uploadMaxSize: number | null
  readonly uploadExpiresAfterMs: number
  readonly uploadIdleTimeoutMs: number
  /** Null: no limit. */
  readonly userMaxBytes: number | null
  readonly userMaxOpenUploads: number
  readonly userMaxCreationsPerMinute: number | null
  /** Null: every file is accepted. */
  readonly acceptedFileFormats: AcceptedFormats | null
  readonly maxImagePixels: number
  /** Null: records have no digest. */
  readonly mediaDigest: 'sha256' | null
  /** Null: with the embedded database. */
  readonly mediaManifests: boolean | null
  /** Null: files are not scanned. */
  readonly clamav: { readonly host: string; readonly port: number } | null
  /** Without a slash at the end. */
  readonly chunkedPath: string
  /** A strftime pattern. */
  readonly chunkedStoragePath: string
  /** An algorithm of node:crypto. */
  readonly chunkedChecksum: string
  readonly chunkedFieldName: string
  /** Null: no limit but `uploadMaxSize`. */
  readonly chunkedMaxBytes: number | null
  readonly chunkedUserRestricted: boolean
  readonly chunkedCompleteExt: string
  readonly chunkedIncompleteExt: string
  readonly chunkedExpirationMs: number
  readonly resumableHttp: boolean
  readonly resumableHttpInterim: boolean
  /** Null: no limit. */
  readonly resumableHttpMaxAppendSize: number | null
  /** In PEM; null: HTTP without TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | null
  readonly sessions: SessionLimits
  /** Null: events are not sent anywhere. */
  readonly webhook: Webhook | null
  readonly corsOrigins: '*' | readonly string[]
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
  readonly adminToken: string | undefined
  readonly allowAnonymousUploads: boolean
  readonly maxConnections: number
  readonly shutdownTimeoutMs: number
  /** Processes that share the port. More than one: never with the embedded database. */
  readonly workers: number
}

/** The configuration is bad: one message that names everything that is. Exit code 78. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? 'One setting is' : `${problems.length} settings are`
    super([`${count} wrong:`, ...problems.map((problem) => `  ${problem}`)].join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface Surroundings {
  /** Whether the log goes to a terminal, where `pretty` is the default. Default false. */
  terminal?: boolean
  /** Hears of every variable that is looked at, with what is allowed for it. */
  onRead?: (name: VariableName, kind: kinds.Kind<unknown>) => void
}

/**
 * Reads every setting from the environment. An empty value means that the variable is not set.
 *
 * @throws ConfigError with all problems at once; a secret is never repeated in it.
 */
export function readConfig(env: Environment, surroundings: Surroundings = {}): Config {
  const { terminal = false, onRead } = surroundings
  const problems = [...problemsOfNames(env)]
  const reader = readerOf(env, problems, onRead)
  const { given, read } = reader
  const uploadExpiresAfterMs = read('UPLOAD_EXPIRES_AFTER', kinds.duration('1s', '3650d'))
  const storage = read('STORAGE', kinds.oneOf(['disk', 's3']))
  const chunkedChecksum = read('CHUNKED_CHECKSUM', kinds.digestAlgorithm)
  const config: Config = {
    host: read('HOST', kinds.host),
    port: read('PORT', kinds.integer(0, 65_535)),
    publicUrl: given('PUBLIC_URL', kinds.origin),
    trustProxy: read('TRUST_PROXY', kinds.yesNo),
    databaseUrl: given('DATABASE_URL', kinds.databaseUrl),
    dataDir: read('DATA_DIR', kinds.directory),
    storage,
    s3: s3Of(reader, storage, { chunkedChecksum }),
    durability: read('DURABILITY', kinds.oneOf(['power', 'process'])),
    uploadMaxSize: given('UPLOAD_MAX_SIZE', kinds.size) ?? null,
    uploadExpiresAfterMs,
    // A timer of Node takes at most 2^31-1 ms, which is 24 days.
    uploadIdleTimeoutMs: read('UPLOAD_IDLE_TIMEOUT', kinds.duration('100ms', '24h')),
    userMaxBytes: given('USER_MAX_BYTES', kinds.size) ?? null,
    userMaxOpenUploads: read('USER_MAX_OPEN_UPLOADS', kinds.integer(1, 1_000_000_000)),
    userMaxCreationsPerMinute: given('USER_MAX_CREATIONS', kinds.integer(1, 1_000_000)) ?? null,
    acceptedFileFormats: given('ACCEPTED_FILE_FORMATS', kinds.acceptedFormats) ?? null,
    maxImagePixels: read('MAX_IMAGE_PIXELS', kinds.integer(1, Number.MAX_SAFE_INTEGER)),
    ...mediaOf(reader),
    mediaDigest: none(read('MEDIA_DIGEST', kinds.oneOf(['none', 'sha256']))),
    mediaManifests: given('MEDIA_MANIFESTS', kinds.yesNo) ?? null,
    clamav: clamavOf(reader),
    chunkedPath: read('CHUNKED_PATH', kinds.doorPath),
    chunkedStoragePath: read('CHUNKED_STORAGE_PATH', kinds.folderPattern),
    chunkedChecksum,
    chunkedFieldName: read('CHUNKED_FIELD_NAME', kinds.fieldName),
    chunkedMaxBytes: given('CHUNKED_MAX_BYTES', kinds.size) ?? null,
    chunkedUserRestricted: read('CHUNKED_USER_RESTRICTED', kinds.yesNo),
    chunkedCompleteExt: read('CHUNKED_COMPLETE_EXT', kinds.fileEnding),
    chunkedIncompleteExt: read('CHUNKED_INCOMPLETE_EXT', kinds.fileEnding),
    chunkedExpirationMs:
      given('CHUNKED_EXPIRATION', kinds.duration('1s', '3650d')) ?? uploadExpiresAfterMs,
    resumableHttp: read('RESUMABLE_HTTP', kinds.yesNo),
    resumableHttpInterim: read('RESUMABLE_HTTP_INTERIM', kinds.yesNo),
    resumableHttpMaxAppendSize: given('RESUMABLE_HTTP_MAX_APPEND_SIZE', kinds.size) ?? null,
    tls: tlsOf(reader),
    sessions: sessionsOf(reader),
    webhook: webhookOf(reader),
    corsOrigins: read('CORS_ORIGINS', kinds.corsOrigins),
    logLevel: read('LOG_LEVEL', kinds.oneOf(logLevels)),
    logFormat: given('LOG_FORMAT', kinds.oneOf(logFormats)) ?? (terminal ? 'pretty' : 'json'),
    adminToken: given('ADMIN_TOKEN', kinds.adminKey),
    allowAnonymousUploads: read('ALLOW_ANONYMOUS_UPLOADS', kinds.yesNo),
    maxConnections: read('MAX_CONNECTIONS', kinds.integer(1, 1_000_000)),
    shutdownTimeoutMs: read('SHUTDOWN_TIMEOUT', kinds.duration('100ms', '1h')),
    workers: read('WORKERS', kinds.integer(1, 256)),
  }
  requireSharedDatabase(config, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return Object.freeze(config)
}

/** Reads settings one by one and notes in `problems` what is wrong with them. */
function readerOf(env: Environment, problems: string[], onRead: Surroundings['onRead']) {
  function given<T>(name: VariableName, kind: kinds.Kind<T>): T | undefined {
    onRead?.(name, kind)
    const text = textOf(env, name, problems)
    if (text === undefined) return undefined
    const value = kind.parse(text)
    if (value !== null) return value
    const shown = kind.secret ? 'is not valid' : `${shorten(text)} is not valid`
    problems.push(`${name}: ${shown}; give ${kind.allowed}`)
    return undefined
  }

  function read<T>(name: VariableName, kind: kinds.Kind<T>): T {
    const value = given(name, kind) ?? kind.parse(defaults[name][0])
    if (value === null) throw new Error(`the default of ${name} is not a value of it`)
    return value
  }

  return { given, read, problems }
}

type Reader = ReturnType<typeof readerOf>

const none = <T extends string>(value: T | 'none'): T | null => (value === 'none' ? null : value)

/** The embedded database belongs to one process. A URL that is wrong has been named already. */
function requireSharedDatabase({ workers, databaseUrl }: Config, problems: string[]): void {
  const isNamed = problems.some((problem) => problem.startsWith('DATABASE_URL'))
  if (workers === 1 || databaseUrl !== undefined || isNamed) return
  problems.push(
    `WORKERS: ${workers} processes cannot share the embedded database, which belongs to one; set ` +
      'DATABASE_URL, or leave WORKERS at 1',
  )
}

function sessionsOf({ read }: Reader): SessionLimits {
  return {
    maxOpen: read('SESSION_MAX_OPEN', kinds.integer(1, 1_000_000)),
    maxFiles: read('SESSION_MAX_FILES', kinds.integer(1, 10_000)),
    maxFileBytes: read('SESSION_MAX_FILE_SIZE', kinds.size),
    maxTotalBytes: read('SESSION_MAX_TOTAL_SIZE', kinds.size),
    expiresAfterMs: read('SESSION_EXPIRES_AFTER', kinds.duration('1s', '3650d')),
    readonly: read('SESSION_READONLY', kinds.yesNo),
  }
}

function clamavOf({ given, read }: Reader): Config['clamav'] {
  const host = given('CLAMAV_HOST', kinds.host)
  const port = read('CLAMAV_PORT', kinds.port)
  return host === undefined ? null : { host, port }
}

/** Read here, so that a pair that does not fit is a bad setting and no crash at the first client. */
function tlsOf({ given, problems }: Reader): Config['tls'] {
  const before = problems.length
  const files = { TLS_CERT: given('TLS_CERT', kinds.file), TLS_KEY: given('TLS_KEY', kinds.file) }
  const { TLS_CERT: certFile, TLS_KEY: keyFile } = files
  if (problems.length > before || (certFile === undefined && keyFile === undefined)) return null
  if (certFile === undefined || keyFile === undefined) {
    problems.push('TLS_CERT and TLS_KEY: one of them is set; give both')
    return null
  }
  const [cert, key] = [
    contentOf('TLS_CERT', certFile, problems),
    contentOf('TLS_KEY', keyFile, problems),
  ]
  if (cert === undefined || key === undefined) return null
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    problems.push(`TLS_CERT and TLS_KEY: not a certificate and its key in PEM (${code})`)
  }
  return { cert, key }
}

/** The value, or the content of the file that `<name>_FILE` names. Empty means not set. */
function textOf(env: Environment, name: VariableName, problems: string[]): string | undefined {
  const text = env[name] || undefined
  const fileName = `${name}_FILE`
  const file = (Object.hasOwn(defaults, fileName) && env[fileName]) || undefined
  if (file === undefined) return text
  if (text !== undefined) {
    problems.push(`${name} and ${fileName}: both are set; give one of them`)
    return undefined
  }
  return contentOf(fileName, file, problems)
}

function contentOf(variable: string, file: string, problems: string[]): string | undefined {
  try {
    const content = readFileSync(file, 'utf8').trim()
    if (content !== '') return content
    problems.push(`${variable}: the file ${shorten(file)} is empty`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    problems.push(`${variable}: the file ${shorten(file)} cannot be read (${code})`)
  }
  return undefined
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
