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
      durability: 'power',
      uploadMaxSize: null,
      uploadExpiresAfterMs: 86_400_000,
      uploadIdleTimeoutMs: 60_000,
      userMaxBytes: null,
      userMaxOpenUploads: 1000,
      acceptedFileFormats: null,
      maxImagePixels: 268_402_689,
      mediaAccess: 'public',
      serveWith: 'node',
      corsOrigins: '*',
      logLevel: 'info',
      logFormat: 'json',
      adminToken: undefined,
      allowAnonymousUploads: false,
      shutdownTimeoutMs: 10_000,
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
    ['SERVE_WITH', 'node', { serveWith: 'node' }],
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
    ['STORAGE', 's3'],
    ['DURABILITY', 'POWER'],
    ['UPLOAD_MAX_SIZE', '0'],
    ['UPLOAD_MAX_SIZE', '5G'],
    ['UPLOAD_EXPIRES_AFTER', '24'],
    ['UPLOAD_EXPIRES_AFTER', '0s'],
    ['UPLOAD_IDLE_TIMEOUT', '30d'],
    ['USER_MAX_OPEN_UPLOADS', '0'],
    ['ACCEPTED_FILE_FORMATS', 'pictures of cats'],
    ['MAX_IMAGE_PIXELS', '9007199254740992'],
    ['MEDIA_ACCESS', 'signed'],
    ['SERVE_WITH', 'x-accel-redirect'],
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

  it('names every problem in one message', () => {
    expect(() => readConfig({ PORT: 'x', TRUST_PROXY: 'x', WORKERS: '4', UPLOAD_X: '1' })).toThrow(
      /^4 settings are wrong:(?=.*PORT)(?=.*TRUST_PROXY)(?=.*WORKERS)(?=.*UPLOAD_X)/s,
    )
  })

  it('takes an empty value for none', () => {
    const env = Object.fromEntries(variables.map(({ name }) => [name, '']))
    expect(readConfig({ ...env, UPLOAD_NONSENSE: '' })).toEqual(readConfig({}))
  })

  it('never repeats a secret', () => {
    const text = problemsOf({ DATABASE_URL: 'x://u:hunter2@h', ADMIN_TOKEN: 'hunter2' }).join()
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

  it('refuses what the contract names and this version does not do', () => {
    for (const { name, supported } of variables) {
      if (supported) continue
      expect(problemsOf({ [name]: 'something' })).toEqual([
        `${name}: not supported yet by this version; remove it`,
      ])
    }
  })

  it.each([
    ['MEDIA_DIGEST', 'none'],
    ['WORKERS', '1'],
    ['S3_FORCE_PATH_STYLE', 'False'],
  ])('takes %s=%s, which is what happens anyway', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([])
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
  it('has one row for each variable that works', () => {
    const rows = configurationTable().split('\n').slice(2)
    const working = variables.filter(({ supported }) => supported)
    expect(rows).toHaveLength(working.length)
    expect(configurationTable()).toContain('| `PORT` | `8080` | port to listen on')
    expect(configurationTable()).not.toContain('CHUNKED_')
  })
})
