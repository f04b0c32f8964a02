/** One environment variable, as the documentation prints it. */
export interface Variable {
  name: string
  /** What an unset variable means: a value of it, or words where no value says it. */
  default: string
  meaning: string
}

/** A default that is a value of the variable is read as one. */
export const defaults = {
  HOST: ['127.0.0.1', 'address to listen on'],
  PORT: ['8080', 'port to listen on; 0: any free port, printed'],
  PUBLIC_URL: ["from the request's Host", 'scheme and host for every absolute URL'],
  TRUST_PROXY: ['false', 'believe `Forwarded` and `X-Forwarded-*`'],
  DATABASE_URL: ['embedded', '`postgres://…`; unset: embedded Postgres (PGlite) in `DATA_DIR/db`'],
  DATABASE_URL_FILE: ['none', 'a file that holds `DATABASE_URL`'],
  DATA_DIR: ['./data', 'embedded database, upload bytes, media bytes'],
  STORAGE: ['disk', 'where bytes are stored: `disk` or `s3`, see [docs/s3.md](docs/s3.md)'],
  S3_BUCKET: ['none', 'the bucket; credentials are found as the AWS SDK finds them'],
  S3_ENDPOINT: ['none', 'URL of a store that is not AWS'],
  S3_REGION: ['from the AWS settings', 'region of the bucket'],
  S3_FORCE_PATH_STYLE: ['false', 'name the bucket in the path, as MinIO and others want it'],
  S3_PREFIX: ['none', 'put before every key'],
  S3_CHECKSUMS: [
    'when_supported',
    '`when_supported`: everything is sent with a CRC-32 that the store checks; `when_required`: for a store that refuses it',
  ],
  DURABILITY: [
    'power',
    '`power`: acknowledged bytes survive a power cut; `process`: they survive a crash of the process',
  ],
  UPLOAD_MAX_SIZE: ['none', 'largest upload, every door'],
  UPLOAD_EXPIRES_AFTER: [
    '24h',
    'unfinished uploads end this long after their last byte (chunked: after they were begun)',
  ],
  UPLOAD_IDLE_TIMEOUT: [
    '60s',
    'a body that sends nothing for this long is cut; what arrived is kept',
  ],
  USER_MAX_BYTES: ['none', 'bytes that one user may have stored and reserved'],
  USER_MAX_OPEN_UPLOADS: ['1000', 'unfinished uploads that one user may have'],
  USER_MAX_CREATIONS: [
    'none',
    'uploads that one user may begin in a minute, without a token one address; see [docs/security.md](docs/security.md)',
  ],
  ACCEPTED_FILE_FORMATS: [
    'all',
    'comma list of types (`image`), MIME types (`video/mp4`) or extensions (`.docx`)',
  ],
  MAX_IMAGE_PIXELS: ['268402689', 'larger images are refused'],
  MEDIA_ACCESS: [
    'public',
    'who may read a file: `public`: whoever knows its URL; `signed`: URLs carry a signature and end; `private`: the token of its owner, staff or an admin; see [docs/media-access.md](docs/media-access.md)',
  ],
  MEDIA_SECRET: [
    'from the database',
    'signs media URLs: 32 random bytes or more; older ones after it, with spaces between, are still accepted',
  ],
  MEDIA_SECRET_FILE: ['none', 'a file that holds `MEDIA_SECRET`'],
  MEDIA_LINK_EXPIRES: ['1h', 'signed media URLs end after this long, at the latest'],
  MEDIA_DIGEST: ['none', '`sha256`: every record gets the digest of its file'],
  MEDIA_MANIFESTS: [
    'from DATABASE_URL',
    '`true`: beside the bytes of every file lies what its record says, for [`landfall rebuild`](docs/operations.md#rebuild); without `DATABASE_URL` it is the default',
  ],
  SERVE_WITH: [
    'node',
    'who sends the bytes of a file: `node`; `redirect`: 302 to `MEDIA_URL`; `x-accel-redirect`: nginx, see [docs/nginx.md](docs/nginx.md)',
  ],
  MEDIA_URL: ['none', 'for `redirect`: where the files of `DATA_DIR/files` are served'],
  X_ACCEL_PREFIX: ['/protected-media/', 'for `x-accel-redirect`: the internal location of nginx'],
  CLAMAV_HOST: [
    'none',
    'where clamd listens: every file is scanned before it is accepted, see [docs/scanning.md](docs/scanning.md)',
  ],
  CLAMAV_PORT: ['3310', 'the port of clamd'],
  CHUNKED_PATH: ['/api/chunked-uploads/', 'where the chunked door stands'],
  CHUNKED_STORAGE_PATH: [
    'chunked_uploads/%Y/%m/%d',
    'folder of its uploads below `DATA_DIR/files`, a strftime pattern (UTC)',
  ],
  CHUNKED_CHECKSUM: ['md5', 'digest that completes an upload; any algorithm of `node:crypto`'],
  CHUNKED_FIELD_NAME: ['file', 'form field of the chunk'],
  CHUNKED_MAX_BYTES: ['none', 'largest upload through the chunked door'],
  CHUNKED_USER_RESTRICTED: ['true', '`false`: every user reaches every chunked upload'],
  CHUNKED_COMPLETE_EXT: ['.done', 'ending of the bytes on disk once the upload is complete'],
  CHUNKED_INCOMPLETE_EXT: ['.part', 'ending of the bytes on disk while they arrive'],
  CHUNKED_EXPIRATION: [
    'from UPLOAD_EXPIRES_AFTER',
    'unfinished chunked uploads end this long after they were begun',
  ],
  RESUMABLE_HTTP: [
    'true',
    '`false`: no IETF “Resumable Uploads for HTTP” on `/files/`, see [docs/resumable-http.md](docs/resumable-http.md)',
  ],
  RESUMABLE_HTTP_INTERIM: [
    'false',
    'send its 104 interim answers; not behind nginx, which takes them for the final ones',
  ],
  RESUMABLE_HTTP_MAX_APPEND_SIZE: [
    'none',
    'largest body of one of its requests, for a proxy that takes no larger ones',
  ],
  TLS_CERT: [
    'none',
    'file with the certificate (PEM): serve HTTPS, HTTP/2 and HTTP/1.1; with `TLS_KEY`',
  ],
  TLS_KEY: ['none', 'file with the key of the certificate (PEM)'],
  // SESSION_MANAGER and the like belong to the desktop of whoever starts the server.
  SESSION_MAX_OPEN: ['10', 'open upload sessions that one user may have'],
  SESSION_MAX_FILES: ['40', 'files in one session'],
  SESSION_MAX_FILE_SIZE: ['64MB', 'largest file in a session'],
  SESSION_MAX_TOTAL_SIZE: ['256MB', 'all files of a session together'],
  SESSION_EXPIRES_AFTER: ['24h', 'a session without activity ends after this long'],
  SESSION_READONLY: ['false', 'files of sessions can be read, and nothing is added or removed'],
  WEBHOOK_URL: ['none', 'where every event is sent, see [docs/webhooks.md](docs/webhooks.md)'],
  WEBHOOK_SECRET: [
    'none',
    'signs what is sent: `whsec_…`; two of them, with a space between, while one replaces the other',
  ],
  WEBHOOK_SECRET_FILE: ['none', 'a file that holds `WEBHOOK_SECRET`'],
  WEBHOOK_ALLOW_PRIVATE: [
    'false',
    'let `WEBHOOK_URL` lead to this machine or into a private network',
  ],
  CORS_ORIGINS: ['*', 'comma list of allowed origins'],
  WORKERS: [
    '1',
    'processes that share the port; more than one needs `DATABASE_URL`, see [docs/replicas.md](docs/replicas.md)',
  ],
  LOG_LEVEL: ['info', '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`'],
  LOG_FORMAT: ['json', '`json` or `pretty`; on a terminal `pretty` is the default'],
  ADMIN_TOKEN: ['none', "the admin's token, at least 16 characters; valid from every start on"],
  ADMIN_TOKEN_FILE: ['none', 'a file that holds `ADMIN_TOKEN`'],
  ALLOW_ANONYMOUS_UPLOADS: ['false', 'let requests without a token upload'],
  MAX_CONNECTIONS: [
    '10000',
    'connections that each process takes at the same time; one more is closed at once',
  ],
  SHUTDOWN_TIMEOUT: ['10s', 'how long running requests may take to end when the server is stopped'],
} as const satisfies Record<string, readonly [byDefault: string, meaning: string]>

export type VariableName = keyof typeof defaults

/** Every variable that the server knows by name. */
export const variables: readonly Variable[] = Object.entries(defaults).map(
  ([name, [byDefault, meaning]]) => ({ name, default: byDefault, meaning }),
)

/** As Markdown: code, where it is a value. */
export function shownDefault(byDefault: string): string {
  return /^(?:none|all|embedded|from .*)$/.test(byDefault) ? byDefault : `\`${byDefault}\``
}

/** All of them, as a Markdown table: the one of README.md, checked by a test. */
export function configurationTable(): string {
  const rows = variables.map(({ name, default: byDefault, meaning }) => {
    return `| \`${name}\` | ${shownDefault(byDefault)} | ${meaning} |`
  })
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}
