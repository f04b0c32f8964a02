import { readConfig } from './config.ts'
import type { Kind } from './config-values.ts'
import { defaults, shownDefault, type VariableName } from './config-variables.ts'

/** Some variables that belong together, each with a value that somebody might give it. */
interface Topic {
  title: string
  examples: Partial<Record<VariableName, string>>
}

/** The version that has every variable that names no other one in `since`. */
const FIRST = '0.1.0'
/** Of variables that came later: the first version that reads them. */
const since: Partial<Record<VariableName, string>> = {}

/** Every variable once, but for those that name a file with the value of another one. */
export const topics: readonly Topic[] = [
  {
    title: 'Where it listens',
    examples: {
      HOST: '0.0.0.0',
      PORT: '8080',
      PUBLIC_URL: 'https://files.example.org',
      TRUST_PROXY: 'true',
      TLS_CERT: '/etc/landfall/cert.pem',
      TLS_KEY: '/etc/landfall/key.pem',
      CORS_ORIGINS: 'https://app.example.org,http://localhost:3000',
      MAX_CONNECTIONS: '2000',
      WORKERS: '4',
      SHUTDOWN_TIMEOUT: '30s',
    },
  },
  {
    title: 'Where it keeps things',
    examples: {
      DATABASE_URL: 'postgres://landfall:secret@db.internal:5432/landfall',
      DATA_DIR: '/var/lib/landfall',
      STORAGE: 's3',
      DURABILITY: 'process',
    },
  },
  {
    title: 'S3',
    examples: {
      S3_BUCKET: 'media',
      S3_ENDPOINT: 'https://s3.example.org',
      S3_REGION: 'eu-central-1',
      S3_FORCE_PATH_STYLE: 'true',
      S3_PREFIX: 'landfall/',
      S3_CHECKSUMS: 'when_required',
    },
  },
  {
    title: 'Accounts',
    examples: { ADMIN_TOKEN: 'lf_3vQz…', ALLOW_ANONYMOUS_UPLOADS: 'true' },
  },
  {
    title: 'Limits',
    examples: {
      UPLOAD_MAX_SIZE: '5GiB',
      UPLOAD_EXPIRES_AFTER: '7d',
      UPLOAD_IDLE_TIMEOUT: '2m',
      USER_MAX_BYTES: '100GB',
      USER_MAX_OPEN_UPLOADS: '50',
      USER_MAX_CREATIONS: '600',
    },
  },
  {
    title: 'What is accepted, and what is noted of it',
    examples: {
      ACCEPTED_FILE_FORMATS: 'image,video/mp4,.docx',
      MAX_IMAGE_PIXELS: '100000000',
      CLAMAV_HOST: 'clamd.internal',
      CLAMAV_PORT: '3310',
      MEDIA_DIGEST: 'sha256',
      MEDIA_MANIFESTS: 'true',
    },
  },
  {
    title: 'Who gets the bytes, and from whom',
    examples: {
      MEDIA_ACCESS: 'signed',
      MEDIA_SECRET: 'kN0f7p…',
      MEDIA_LINK_EXPIRES: '24h',
      SERVE_WITH: 'x-accel-redirect',
      X_ACCEL_PREFIX: '/protected-media/',
      MEDIA_URL: 'https://cdn.example.org/media',
    },
  },
  {
    title: 'Resumable Uploads for HTTP',
    examples: {
      RESUMABLE_HTTP: 'false',
      RESUMABLE_HTTP_INTERIM: 'true',
      RESUMABLE_HTTP_MAX_APPEND_SIZE: '100MB',
    },
  },
  {
    title: 'Chunked uploads',
    examples: {
      CHUNKED_PATH: '/api/v2/chunks/',
      CHUNKED_STORAGE_PATH: 'uploads/%Y/%m',
      CHUNKED_CHECKSUM: 'sha256',
      CHUNKED_FIELD_NAME: 'chunk',
      CHUNKED_MAX_BYTES: '2GB',
      CHUNKED_USER_RESTRICTED: 'false',
      CHUNKED_COMPLETE_EXT: '.bin',
      CHUNKED_INCOMPLETE_EXT: '.incomplete',
      CHUNKED_EXPIRATION: '2d',
    },
  },
  {
    title: 'Upload sessions',
    examples: {
      SESSION_MAX_OPEN: '3',
      SESSION_MAX_FILES: '100',
      SESSION_MAX_FILE_SIZE: '1GB',
      SESSION_MAX_TOTAL_SIZE: '4GB',
      SESSION_EXPIRES_AFTER: '2h',
      SESSION_READONLY: 'true',
    },
  },
  {
    title: 'Webhooks',
    examples: {
      WEBHOOK_URL: 'https://app.example.org/landfall',
      WEBHOOK_SECRET: 'whsec_…',
      WEBHOOK_ALLOW_PRIVATE: 'true',
    },
  },
  { title: 'The log', examples: { LOG_LEVEL: 'warn', LOG_FORMAT: 'pretty' } },
]

/** What each variable takes, as `readConfig` reads it. */
export function kindsOfVariables(): ReadonlyMap<VariableName, Kind<unknown>> {
  const kinds = new Map<VariableName, Kind<unknown>>()
  readConfig({}, { onRead: (name, kind) => kinds.set(name, kind) })
  return kinds
}

/** The list of docs/configuration.md, for which it is printed; a test compares them. */
export function configurationReference(): string {
  const kinds = kindsOfVariables()
  const parts = topics.map(({ title, examples }) => {
    const entries = Object.entries(examples) as [VariableName, string][]
    return [`### ${title}`, ...entries.map((entry) => describe(entry, kinds))].join('\n\n')
  })
  return parts.join('\n\n')
}

function describe(
  [name, example]: [VariableName, string],
  kinds: ReadonlyMap<VariableName, Kind<unknown>>,
): string {
  const [byDefault, meaning] = defaults[name]
  const kind = kinds.get(name)
  const file = `${name}_FILE`
  const facts = [
    `default: ${shownDefault(byDefault)}`,
    `values: ${kind?.allowed}`,
    `example: \`${name}=${example}\``,
    ...(kind?.secret ? ['a secret: no message and no log repeats it'] : []),
    ...(Object.hasOwn(defaults, file) ? [`from a file: \`${file}=/run/secrets/…\``] : []),
    `since ${since[name] ?? FIRST}`,
  ]
  // The texts are those of README.md, which lies above docs/.
  const text = capitalised(
    meaning.replace(/\[docs\/([\w.-]+)\]/g, '[$1]').replaceAll('](docs/', ']('),
  )
  return [`#### \`${name}\``, `${text}.`, facts.map((fact) => `- ${fact}`).join('\n')].join('\n\n')
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
