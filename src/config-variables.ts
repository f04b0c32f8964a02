/** One environment variable, as the documentation prints it. */
export interface Variable {
  name: string
  /** What an unset variable means: a value of it, or words where no value says it. */
  default: string
  meaning: string
  /** False: the contract names it and this version does not do it. Setting it is refused. */
  supported: boolean
  /** Of an unsupported one, the values that say what happens anyway. */
  harmless?: readonly string[]
}

const on = (name: string, byDefault: string, meaning: string) => ({
  name,
  default: byDefault,
  meaning,
  supported: true,
})

const later = (name: string, byDefault: string, ...harmless: string[]): Variable => ({
  name,
  default: byDefault,
  meaning: 'not supported yet',
  supported: false,
  harmless,
})

/** What works. A default that is a value of the variable is read as one. */
export const defaults = {
  HOST: ['127.0.0.1', 'address to listen on'],
  PORT: ['8080', 'port to listen on; 0: any free port, printed'],
  PUBLIC_URL: ["from the request's Host", 'scheme and host for every absolute URL'],
  TRUST_PROXY: ['false', 'believe `Forwarded` and `X-Forwarded-*`'],
  DATABASE_URL: ['embedded', '`postgres://…`; unset: embedded Postgres (PGlite) in `DATA_DIR/db`'],
  DATABASE_URL_FILE: ['none', 'a file that holds `DATABASE_URL`'],
  DATA_DIR: ['./data', 'embedded database, upload bytes, media bytes'],
  STORAGE: ['disk', 'where bytes are stored: `disk`'],
  DURABILITY: [
    'power',
    '`power`: acknowledged bytes survive a power cut; `process`: they survive a crash of the process',
  ],
  UPLOAD_MAX_SIZE: ['none', 'largest upload, every door'],
  UPLOAD_EXPIRES_AFTER: ['24h', 'unfinished uploads end this long after their last byte'],
  UPLOAD_IDLE_TIMEOUT: [
    '60s',
    'a body that sends nothing for this long is cut; what arrived is kept',
  ],
  USER_MAX_BYTES: ['none', 'bytes that one user may have stored and reserved'],
  USER_MAX_OPEN_UPLOADS: ['1000', 'unfinished uploads that one user may have'],
  ACCEPTED_FILE_FORMATS: [
    'all',
    'comma list of types (`image`), MIME types (`video/mp4`) or extensions (`.docx`)',
  ],
  MAX_IMAGE_PIXELS: ['268402689', 'larger images are refused'],
  MEDIA_ACCESS: ['public', '`public`: the unguessable URL of a file is enough to read it'],
  SERVE_WITH: ['node', 'who sends the bytes of a file: `node`'],
  CORS_ORIGINS: ['*', 'comma list of allowed origins'],
  LOG_LEVEL: ['info', '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`'],
  LOG_FORMAT: ['json', '`json` or `pretty`; on a terminal `pretty` is the default'],
  ADMIN_TOKEN: ['none', "the admin's token, at least 16 characters; valid from every start on"],
  ADMIN_TOKEN_FILE: ['none', 'a file that holds `ADMIN_TOKEN`'],
  ALLOW_ANONYMOUS_UPLOADS: ['false', 'let requests without a token upload'],
  SHUTDOWN_TIMEOUT: ['10s', 'how long running requests may take to end when the server is stopped'],
} as const satisfies Record<string, readonly [byDefault: string, meaning: string]>

export type VariableName = keyof typeof defaults

/** Named by the contract, for doors and options that this version does not have. */
const notYet: readonly Variable[] = [
  later('S3_BUCKET', 'none'),
  later('S3_ENDPOINT', 'none'),
  later('S3_REGION', 'none'),
  later('S3_FORCE_PATH_STYLE', 'false', 'false', '0', 'no'),
  later('S3_PREFIX', 'none'),
  later('S3_CHECKSUMS', 'none'),
  later('MEDIA_DIGEST', 'none', 'none'),
  later('MEDIA_URL', 'none'),
  later('X_ACCEL_PREFIX', 'none'),
  later('CHUNKED_CHECKSUM', 'md5'),
  later('CHUNKED_FIELD_NAME', 'file'),
  later('CHUNKED_MAX_BYTES', 'none'),
  later('CHUNKED_USER_RESTRICTED', 'true'),
  later('CHUNKED_PATH', '/api/chunked-uploads/'),
  later('CHUNKED_STORAGE_PATH', 'chunked_uploads/%Y/%m/%d'),
  later('CHUNKED_COMPLETE_EXT', '.done'),
  later('CHUNKED_INCOMPLETE_EXT', '.part'),
  later('CHUNKED_EXPIRATION', '24h'),
  // Only these: SESSION_MANAGER belongs to the desktop of whoever starts the server.
  later('SESSION_MAX_OPEN', '10'),
  later('SESSION_READONLY', 'false', 'false', '0', 'no'),
  later('SESSION_MAX_FILE_SIZE', '64MB'),
  later('SESSION_MAX_TOTAL_SIZE', '256MB'),
  later('SESSION_MAX_FILES', '40'),
  later('SESSION_EXPIRES_AFTER', '24h'),
  later('CLAMAV_HOST', 'none'),
  later('CLAMAV_PORT', '3310'),
  later('WEBHOOK_URL', 'none'),
  later('WEBHOOK_SECRET', 'none'),
  later('WEBHOOK_ALLOW_PRIVATE', 'false', 'false', '0', 'no'),
  later('WORKERS', '1', '1'),
  later('TLS_CERT', 'none'),
  later('TLS_KEY', 'none'),
]

/** Every variable that the server knows by name. */
export const variables: readonly Variable[] = [
  ...Object.entries(defaults).map(([name, [byDefault, meaning]]) => on(name, byDefault, meaning)),
  ...notYet,
]

/** What works, as a Markdown table: the one of README.md, checked by a test. */
export function configurationTable(): string {
  const rows = variables
    .filter((variable) => variable.supported)
    .map((variable) => {
      const { name, default: byDefault, meaning } = variable
      const shown = /^(?:none|all|embedded|from .*)$/.test(byDefault)
        ? byDefault
        : `\`${byDefault}\``
      return `| \`${name}\` | ${shown} | ${meaning} |`
    })
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}
