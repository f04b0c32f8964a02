import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, readConfig } from '../../src/config.ts'
import { configurationTable, variables } from '../../src/config-variables.ts'

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

describe('readConfig', () => {
  it('has the documented defaults', () => {
    expect(readConfig({})).toEqual({
      host: '127.0.0.1',
      port: 8080,
      publicUrl: undefined,
      trustProxy: false,
      databaseUrl: undefined,
      dataDir: path.resolve('data'),
      storage: 'disk',
      s3: null,
      durability: 'power',
      uploadMaxSize: null,
      uploadExpiresAfterMs: 86_400_000,
      uploadIdleTimeoutMs: 60_000,
      userMaxBytes: null,
      userMaxOpenUploads: 1000,
      userMaxCreationsPerMinute: null,
      acceptedFileFormats: null,
      maxImagePixels: 268_402_689,
      mediaAccess: 'public',
      mediaSecrets: null,
      mediaLinkExpiresMs: 3_600_000,
      mediaDigest: null,
      mediaManifests: null,
      resumableHttp: true,
      resumableHttpInterim: false,
      resumableHttpMaxAppendSize: null,
      tls: null,
      serveWith: { by: 'node' },
      clamav: null,
      sessions: {
        maxOpen: 10,
        maxFiles: 40,
        maxFileBytes: 64_000_000,
        maxTotalBytes: 256_000_000,
        expiresAfterMs: 86_400_000,
        readonly: false,
      },
      chunkedPath: '/api/chunked-uploads',
      chunkedStoragePath: 'chunked_uploads/%Y/%m/%d',
      chunkedChecksum: 'md5',
      chunkedFieldName: 'file',
      chunkedMaxBytes: null,
      chunkedUserRestricted: true,
      chunkedCompleteExt: '.done',
      chunkedIncompleteExt: '.part',
      chunkedExpirationMs: 86_400_000,
      webhook: null,
      corsOrigins: '*',
      logLevel: 'info',
      logFormat: 'json',
      adminToken: undefined,
      allowAnonymousUploads: false,
      maxConnections: 10_000,
      shutdownTimeoutMs: 10_000,
      workers: 1,
    })
  })

  it('gives a configuration that nobody can change', () => {
    expect(Object.isFrozen(readConfig({}))).toBe(true)
  })

  it.each([
    ['PORT', '0', { port: 0 }],
    ['HOST', '::', { host: '::' }],
    ['PUBLIC_URL', 'https://Files.example.org:443/', { publicUrl: 'https://files.example.org' }],
    ['PUBLIC_URL', 'http://files.example:81', { publicUrl: 'http://files.example:81' }],
    ['TRUST_PROXY', 'yes', { trustProxy: true }],
    ['TRUST_PROXY', '1', { trustProxy: true }],
    ['TRUST_PROXY', 'TRUE', { trustProxy: true }],
    ['TRUST_PROXY', 'no', { trustProxy: false }],
    ['DATABASE_URL', 'postgresql://u:p@h/d', { databaseUrl: 'postgresql://u:p@h/d' }],
    ['DATA_DIR', '/srv/landfall', { dataDir: '/srv/landfall' }],
    ['DURABILITY', 'process', { durability: 'process' }],
    ['UPLOAD_MAX_SIZE', '5GiB', { uploadMaxSize: 5 * 2 ** 30 }],
    ['UPLOAD_EXPIRES_AFTER', '7d', { uploadExpiresAfterMs: 7 * 86_400_000 }],
    ['UPLOAD_IDLE_TIMEOUT', '90s', { uploadIdleTimeoutMs: 90_000 }],
    ['USER_MAX_BYTES', '500MB', { userMaxBytes: 500_000_000 }],
    ['USER_MAX_OPEN_UPLOADS', '3', { userMaxOpenUploads: 3 }],
    ['USER_MAX_CREATIONS', '600', { userMaxCreationsPerMinute: 600 }],
    ['MAX_CONNECTIONS', '50', { maxConnections: 50 }],
    ['MAX_IMAGE_PIXELS', '1000', { maxImagePixels: 1000 }],
    [
      'CORS_ORIGINS',
      'https://A.example, http://localhost:3000',
      { corsOrigins: ['https://a.example', 'http://localhost:3000'] },
    ],
    ['LOG_LEVEL', 'debug', { logLevel: 'debug' }],
    ['LOG_FORMAT', 'pretty', { logFormat: 'pretty' }],
    ['ADMIN_TOKEN', 'sixteen-letters!', { adminToken: 'sixteen-letters!' }],
    ['ALLOW_ANONYMOUS_UPLOADS', 'true', { allowAnonymousUploads: true }],
    ['SHUTDOWN_TIMEOUT', '2s', { shutdownTimeoutMs: 2000 }],
    ['STORAGE', 'disk', { storage: 'disk' }],
    ['MEDIA_ACCESS', 'public', { mediaAccess: 'public' }],
    ['MEDIA_ACCESS', 'signed', { mediaAccess: 'signed' }],
    ['MEDIA_ACCESS', 'private', { mediaAccess: 'private' }],
    ['MEDIA_LINK_EXPIRES', '7d', { mediaLinkExpiresMs: 7 * 86_400_000 }],
    ['MEDIA_SECRET', 'x'.repeat(32), { mediaSecrets: [Buffer.from('x'.repeat(32))] }],
    [
      'MEDIA_SECRET',
      ` ${'x'.repeat(32)}\n${'y'.repeat(40)} `,
      { mediaSecrets: [Buffer.from('x'.repeat(32)), Buffer.from('y'.repeat(40))] },
    ],
    ['SERVE_WITH', 'node', { serveWith: { by: 'node' } }],
    [
      'SERVE_WITH',
      'x-accel-redirect',
      { serveWith: { by: 'x-accel-redirect', prefix: '/protected-media/' } },
    ],
    ['MEDIA_DIGEST', 'sha256', { mediaDigest: 'sha256' }],
    ['MEDIA_DIGEST', 'none', { mediaDigest: null }],
    ['MEDIA_MANIFESTS', 'true', { mediaManifests: true }],
    ['MEDIA_MANIFESTS', 'false', { mediaManifests: false }],
    ['CLAMAV_HOST', 'clamd.internal', { clamav: { host: 'clamd.internal', port: 3310 } }],
    ['CHUNKED_PATH', '/up/load/', { chunkedPath: '/up/load' }],
    [
      'CHUNKED_STORAGE_PATH',
      'in/%Y-%m-%d/%H%M%S_%j/',
      { chunkedStoragePath: 'in/%Y-%m-%d/%H%M%S_%j' },
    ],
    ['CHUNKED_CHECKSUM', 'sha512-256', { chunkedChecksum: 'sha512-256' }],
    ['CHUNKED_FIELD_NAME', 'files[0]', { chunkedFieldName: 'files[0]' }],
    ['CHUNKED_MAX_BYTES', '5GB', { chunkedMaxBytes: 5e9 }],
    ['CHUNKED_USER_RESTRICTED', 'false', { chunkedUserRestricted: false }],
    ['CHUNKED_COMPLETE_EXT', 'bin', { chunkedCompleteExt: 'bin' }],
    ['CHUNKED_INCOMPLETE_EXT', '.a-b_c', { chunkedIncompleteExt: '.a-b_c' }],
    ['CHUNKED_EXPIRATION', '2h', { chunkedExpirationMs: 7_200_000 }],
    ['UPLOAD_EXPIRES_AFTER', '2h', { chunkedExpirationMs: 7_200_000 }],
    // What Kubernetes sets for a neighbour of that name, and nobody asked for.
    ['CLAMAV_PORT', 'tcp://10.0.0.1:3310', { clamav: null }],
  ])('reads %s=%s', (name, value, expected) => {
    expect(readConfig({ [name]: value })).toMatchObject(expected)
  })

  it('reads a list of accepted formats', () => {
    expect(readConfig({ ACCEPTED_FILE_FORMATS: 'image,video/mp4,.docx' })).not.toMatchObject({
      acceptedFileFormats: null,
    })
  })

  it.each([
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', ' 80'],
    ['PORT', '0x50'],
    ['PORT', '8e3'],
    ['HOST', 'no such host'],
    ['PUBLIC_URL', 'files.example.org'],
    ['PUBLIC_URL', 'https://files.example.org/landfall'],
    ['PUBLIC_URL', 'https://user:secret@files.example.org'],
    ['PUBLIC_URL', 'ftp://files.example.org'],
    ['TRUST_PROXY', 'on please'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['STORAGE', 'S3'],
    ['S3_BUCKET', 'a/b'],
    ['S3_ENDPOINT', 'minio:9000'],
    ['S3_REGION', 'eu central'],
    ['S3_PREFIX', '/landfall'],
    ['S3_PREFIX', '../x/'],
    ['S3_CHECKSUMS', 'never'],
    ['DURABILITY', 'POWER'],
    ['UPLOAD_MAX_SIZE', '0'],
    ['UPLOAD_MAX_SIZE', '5G'],
    ['UPLOAD_EXPIRES_AFTER', '24'],
    ['UPLOAD_EXPIRES_AFTER', '0s'],
    ['UPLOAD_IDLE_TIMEOUT', '30d'],
    ['USER_MAX_OPEN_UPLOADS', '0'],
    ['USER_MAX_CREATIONS', '0'],
    ['MAX_CONNECTIONS', '0'],
    ['ACCEPTED_FILE_FORMATS', 'pictures of cats'],
    ['MAX_IMAGE_PIXELS', '9007199254740992'],
    ['MEDIA_ACCESS', 'secret'],
    ['MEDIA_SECRET', 'x'.repeat(31)],
    ['MEDIA_SECRET', `${'x'.repeat(32)} short`],
    ['MEDIA_SECRET', Array(11).fill('x'.repeat(32)).join(' ')],
    ['MEDIA_LINK_EXPIRES', '4s'],
    ['MEDIA_LINK_EXPIRES', '366d'],
    ['SERVE_WITH', 'x-sendfile'],
    ['MEDIA_URL', 'media.example.org'],
    ['MEDIA_URL', 'https://user:secret@media.example.org/'],
    ['MEDIA_URL', 'https://media.example.org/?a=b'],
    ['MEDIA_URL', 'javascript:alert(1)'],
    ['X_ACCEL_PREFIX', 'protected-media/'],
    ['X_ACCEL_PREFIX', '/protected-media'],
    ['X_ACCEL_PREFIX', '/'],
    ['X_ACCEL_PREFIX', '/a//b/'],
    ['X_ACCEL_PREFIX', '/a/../b/'],
    ['MEDIA_DIGEST', 'md5'],
    ['CLAMAV_HOST', 'http://clamd'],
    ...['/', '/api', 'up', '/a//b', '/../x', '/a?b', '/a b', '/files', '/files/x/', '/api/me'].map(
      (path) => ['CHUNKED_PATH', path] as [string, string],
    ),
    ...['/abs', '../x', 'a/../b', 'a//b', '.tmp', '%Y/%y', 'a%', 'a b', 'ä', '%%'].map(
      (pattern) => ['CHUNKED_STORAGE_PATH', pattern] as [string, string],
    ),
    ['CHUNKED_CHECKSUM', 'md6'],
    ['CHUNKED_CHECKSUM', 'constructor'],
    ['CHUNKED_FIELD_NAME', 'a"b'],
    ['CHUNKED_FIELD_NAME', 'a b'],
    ['CHUNKED_MAX_BYTES', '5G'],
    ['CHUNKED_USER_RESTRICTED', 'maybe'],
    ['CHUNKED_COMPLETE_EXT', '/x'],
    ['CHUNKED_INCOMPLETE_EXT', '.ä'],
    ['CHUNKED_EXPIRATION', '24'],
    ['CLAMAV_PORT', '0'],
    ['CLAMAV_PORT', 'x'],
    ['CORS_ORIGINS', 'https://a.example/path'],
    ['CORS_ORIGINS', 'https://*.example'],
    ['CORS_ORIGINS', 'a.example'],
    ['LOG_LEVEL', 'loud'],
    ['LOG_FORMAT', 'xml'],
    ['ADMIN_TOKEN', 'fifteen-letters'],
    ['ADMIN_TOKEN', 'sixteen letters and a space'],
    ['ALLOW_ANONYMOUS_UPLOADS', 'maybe'],
    ['SHUTDOWN_TIMEOUT', '10'],
  ])('refuses %s=%s by name and says what is allowed', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name}: .*; give .+`)])
  })

  it('reads where clients are redirected to, without a slash at the end', () => {
    const redirect = { SERVE_WITH: 'redirect' }
    for (const [given, mediaUrl] of [
      ['https://media.example.org', 'https://media.example.org'],
      ['HTTPS://Media.example.org:443/some/folder/', 'https://media.example.org/some/folder'],
      ['http://127.0.0.1:9000/a%20b', 'http://127.0.0.1:9000/a%20b'],
    ])
      expect(readConfig({ ...redirect, MEDIA_URL: given }).serveWith).toEqual({
        by: 'redirect',
        mediaUrl,
      })
  })

  it('refuses to redirect nowhere, and says so once', () => {
    expect(problemsOf({ SERVE_WITH: 'redirect' })).toEqual([
      'MEDIA_URL: not set; SERVE_WITH=redirect sends clients there',
    ])
    expect(problemsOf({ SERVE_WITH: 'redirect', MEDIA_URL: 'nowhere' })).toHaveLength(1)
  })

  it('refuses to redirect to a public place those whom a signature or a token has let in', () => {
    const redirect = { SERVE_WITH: 'redirect', MEDIA_URL: 'https://media.example.org' }
    for (const mode of ['signed', 'private'])
      expect(problemsOf({ ...redirect, MEDIA_ACCESS: mode })).toEqual([
        expect.stringMatching(`^SERVE_WITH: redirect .*MEDIA_ACCESS=${mode}.*x-accel-redirect$`),
      ])
    expect(problemsOf({ ...redirect, MEDIA_ACCESS: 'public' })).toEqual([])
  })

  it('reads the internal location and the port of clamd', () => {
    const accel = { SERVE_WITH: 'x-accel-redirect', X_ACCEL_PREFIX: '/internal/media/' }
    expect(readConfig(accel).serveWith).toMatchObject({ prefix: '/internal/media/' })
    const clamav = { CLAMAV_HOST: '10.0.0.1', CLAMAV_PORT: '3311' }
    expect(readConfig(clamav).clamav).toEqual({ host: '10.0.0.1', port: 3311 })
  })

  it('names every problem in one message', () => {
    expect(() =>
      readConfig({ PORT: 'x', TRUST_PROXY: 'x', WORKERS: 'many', UPLOAD_X: '1' }),
    ).toThrow(/^4 settings are wrong:(?=.*PORT)(?=.*TRUST_PROXY)(?=.*WORKERS)(?=.*UPLOAD_X)/s)
  })

  it('refuses several processes on the embedded database, and says why', () => {
    const [problem, ...more] = problemsOf({ WORKERS: '4' })
    expect(problem).toMatch(/^WORKERS: 4 processes .* embedded .* DATABASE_URL/)
    expect(more).toEqual([])
    const env = { WORKERS: '4', DATABASE_URL: 'postgres://h/d' }
    expect(readConfig(env).workers).toBe(4)
    expect(problemsOf({ WORKERS: '4', DATABASE_URL: 'x' })).toEqual([
      expect.stringMatching(/^DATABASE_URL/),
    ])
    expect(problemsOf({ ...env, WORKERS: '0' })).toEqual([expect.stringMatching(/^WORKERS/)])
  })

  it('takes an empty value for none', () => {
    const env = Object.fromEntries(variables.map(({ name }) => [name, '']))
    expect(readConfig({ ...env, UPLOAD_NONSENSE: '' })).toEqual(readConfig({}))
  })

  it('never repeats a secret', () => {
    const text = problemsOf({
      DATABASE_URL: 'x://u:hunter2@h',
      ADMIN_TOKEN: 'hunter2',
      MEDIA_SECRET: 'hunter2',
    }).join()
    expect(text).toContain('DATABASE_URL')
    expect(text).toContain('ADMIN_TOKEN')
    expect(text).not.toContain('hunter2')
  })

  it('prefers pretty lines on a terminal unless told', () => {
    expect(readConfig({}, { terminal: true }).logFormat).toBe('pretty')
    expect(readConfig({ LOG_FORMAT: 'json' }, { terminal: true }).logFormat).toBe('json')
  })
})

describe('names', () => {
  it.each([
    ['UPLOAD_MAXSIZE', 'UPLOAD_MAX_SIZE'],
    ['UPLOAD_EXPIRE_AFTER', 'UPLOAD_EXPIRES_AFTER'],
    ['MEDIA_ACESS', 'MEDIA_ACCESS'],
    ['LANDFALL_PORT', 'PORT'],
  ])('refuses %s and suggests %s', (name, meant) => {
    expect(problemsOf({ [name]: '1' })).toEqual([`${name}: unknown; did you mean ${meant}?`])
  })

  it.each([['WEBHOOK_ALLOW_PRIVATE', 'False']])(
    'takes %s=%s, which is what happens anyway',
    (name, value) => {
      expect(problemsOf({ [name]: value })).toEqual([])
    },
  )

  it('reads where the bucket is', () => {
    const named = { STORAGE: 's3', S3_BUCKET: 'media.example' }
    expect(readConfig(named).s3).toEqual({
      bucket: 'media.example',
      endpoint: undefined,
      region: undefined,
      forcePathStyle: false,
      prefix: '',
      checksums: true,
    })
    const all = {
      S3_ENDPOINT: 'https://s3.example.org:9000/base/',
      S3_REGION: 'auto',
      S3_FORCE_PATH_STYLE: 'true',
      S3_PREFIX: 'media/uploads',
      S3_CHECKSUMS: 'when_required',
    }
    expect(readConfig({ ...named, ...all }).s3).toEqual({
      bucket: 'media.example',
      endpoint: 'https://s3.example.org:9000/base',
      region: 'auto',
      forcePathStyle: true,
      prefix: 'media/uploads/',
      checksums: false,
    })
  })

  it('says what is missing or cannot be with S3', () => {
    expect(problemsOf({ STORAGE: 's3' })).toEqual(['S3_BUCKET: not set; STORAGE=s3 stores there'])
    expect(problemsOf({ S3_BUCKET: 'media' })).toEqual([
      'S3_BUCKET: set, but bytes go to disk; give STORAGE=s3, or remove it',
    ])
    const named = { STORAGE: 's3', S3_BUCKET: 'media' }
    expect(problemsOf({ ...named, CHUNKED_CHECKSUM: 'sha256' })).toEqual([])
    expect(problemsOf({ ...named, CHUNKED_CHECKSUM: 'sha512-256' })).toEqual([
      expect.stringMatching(/^CHUNKED_CHECKSUM: sha512-256 cannot be kept/),
    ])
    expect(problemsOf({ CHUNKED_CHECKSUM: 'sha512-256' })).toEqual([])
  })

  it('reads where events are sent, and by which secrets', () => {
    const [one, other] = [randomBytes(24), randomBytes(64)]
    const [first, second] = [one, other].map((secret) => `whsec_${secret.toString('base64')}`)
    const env = {
      WEBHOOK_URL: 'https://example.org/hook?key=1',
      WEBHOOK_SECRET: `${first} ${second}`,
    }
    expect(readConfig(env).webhook).toEqual({
      url: 'https://example.org/hook?key=1',
      secrets: [one, other],
      allowPrivate: false,
    })
    expect(readConfig({ WEBHOOK_SECRET: first }).webhook).toBeNull()
    const inside = { ...env, WEBHOOK_URL: 'http://[::1]:9/', WEBHOOK_ALLOW_PRIVATE: 'true' }
    expect(readConfig(inside).webhook).toMatchObject({ allowPrivate: true })
  })

  it.each([
    'ftp://hooks.example/',
    'https://user:password@hooks.example/',
    'https://user@hooks.example/',
    'https://hooks.example/#part',
    'hooks.example',
  ])('sends no events to %s, and does not repeat it', (url) => {
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    const problems = problemsOf({ WEBHOOK_URL: url, WEBHOOK_SECRET: secret })
    expect(problems).toEqual([expect.stringMatching(/^WEBHOOK_URL: is not valid; give /)])
    expect(problems.join()).not.toContain(url)
  })

  it.each([
    ['whsec_', 23],
    ['whsec_', 65],
    ['', 32],
  ])('refuses a secret of webhooks that is "%s" and %d bytes', (prefix, length) => {
    const secret = prefix + randomBytes(length).toString('base64')
    const problems = problemsOf({ WEBHOOK_URL: 'https://example.org/', WEBHOOK_SECRET: secret })
    expect(problems).toEqual([expect.stringMatching(/^WEBHOOK_SECRET: is not valid; give /)])
    expect(problems.join()).not.toContain(secret)
  })

  it('says what is missing or cannot be with webhooks', () => {
    expect(problemsOf({ WEBHOOK_URL: 'https://example.org/' })).toEqual([
      'WEBHOOK_SECRET: not set; what is sent to WEBHOOK_URL is signed with it',
    ])
    const secret = { WEBHOOK_SECRET: `whsec_${randomBytes(32).toString('base64')}` }
    for (const host of ['127.0.0.1', '0x7f.1', '[::ffff:10.0.0.1]', '169.254.169.254']) {
      expect(problemsOf({ WEBHOOK_URL: `http://${host}/`, ...secret })).toEqual([
        'WEBHOOK_URL: a private address; WEBHOOK_ALLOW_PRIVATE=true allows it',
      ])
    }
  })

  it('leaves the variables of others alone', () => {
    const others = {
      SESSION_MANAGER: 'local/desktop:@/tmp/.ICE-unix/1',
      LANDFALL_URL: 'http://localhost',
      LANDFALL_TOKEN: 'x',
      HOSTNAME: 'x',
      LANDFALL_SERVICE_HOST: '10.0.0.1',
      LANDFALL_PORT: 'tcp://10.0.0.1:8080',
      MEDIA_PORT_80_TCP_ADDR: '10.0.0.1',
    }
    expect(problemsOf(others)).toEqual([])
  })
})

describe('secrets from files', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'landfall-config-'))
    await writeFile(path.join(directory, 'token'), 'a-token-from-a-file\n')
    await writeFile(path.join(directory, 'url'), 'postgres://u:p@h/d\n')
    await writeFile(path.join(directory, 'empty'), '\n')
    await writeFile(path.join(directory, 'short'), 'hunter2')
  })
  afterAll(() => rm(directory, { recursive: true }))
  const file = (name: string) => path.join(directory, name)

  it('reads them without the line break at the end', () => {
    const env = { ADMIN_TOKEN_FILE: file('token'), DATABASE_URL_FILE: file('url') }
    expect(readConfig(env)).toMatchObject({
      adminToken: 'a-token-from-a-file',
      databaseUrl: 'postgres://u:p@h/d',
    })
  })

  it('refuses a file that is missing, empty or holds a bad value', () => {
    expect(problemsOf({ ADMIN_TOKEN_FILE: file('none') })).toEqual([
      expect.stringMatching(/^ADMIN_TOKEN_FILE: .*ENOENT/),
    ])
    expect(problemsOf({ ADMIN_TOKEN_FILE: file('empty') })).toEqual([
      expect.stringMatching(/^ADMIN_TOKEN_FILE: .*empty/),
    ])
    const [short = ''] = problemsOf({ ADMIN_TOKEN_FILE: file('short') })
    expect(short).toMatch(/^ADMIN_TOKEN: /)
    expect(short).not.toContain('hunter2')
  })

  it('refuses a variable and its file at once', () => {
    const env = { ADMIN_TOKEN: 'sixteen-letters!', ADMIN_TOKEN_FILE: file('token') }
    expect(problemsOf(env)).toEqual([
      'ADMIN_TOKEN and ADMIN_TOKEN_FILE: both are set; give one of them',
    ])
  })
})

describe('the table for the README', () => {
  it('has one row for each variable', () => {
    const rows = configurationTable().split('\n').slice(2)
    expect(rows).toHaveLength(variables.length)
    expect(configurationTable()).toContain('| `PORT` | `8080` | port to listen on')
  })
})
