import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, readConfig } from '../../src/config.ts'
import { createCertificate } from '../support/certificate.ts'

let directory: string
const at = (name: string) => path.join(directory, name)

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'landfall-tls-'))
  const [one, other] = [createCertificate(), createCertificate()]
  await writeFile(at('cert.pem'), one.cert)
  await writeFile(at('key.pem'), one.key)
  await writeFile(at('other.pem'), other.key)
  await writeFile(at('text.pem'), 'no PEM at all')
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function problems(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
  }
  return []
}

describe('TLS_CERT and TLS_KEY', () => {
  it('are read when the server starts', () => {
    const { tls } = readConfig({ TLS_CERT: at('cert.pem'), TLS_KEY: at('key.pem') })
    expect(tls?.cert).toContain('BEGIN CERTIFICATE')
    expect(tls?.key).toContain('PRIVATE KEY')
    expect(readConfig({}).tls).toBeNull()
  })

  it('come together', () => {
    for (const name of ['TLS_CERT', 'TLS_KEY'])
      expect(problems({ [name]: at('cert.pem') })).toEqual([
        'TLS_CERT and TLS_KEY: one of them is set; give both',
      ])
  })

  it('are refused where they cannot be read, are no PEM or do not fit', () => {
    const [unreadable] = problems({ TLS_CERT: at('none.pem'), TLS_KEY: at('key.pem') })
    expect(unreadable).toMatch(/^TLS_CERT: the file .* cannot be read \(ENOENT\)$/)
    for (const [cert, key] of [
      ['text.pem', 'key.pem'],
      ['cert.pem', 'text.pem'],
      ['cert.pem', 'other.pem'],
    ] as const) {
      const found = problems({ TLS_CERT: at(cert), TLS_KEY: at(key) })
      expect(found).toHaveLength(1)
      expect(found[0]).toMatch(/^TLS_CERT and TLS_KEY: not a certificate and its key in PEM/)
      expect(found[0]).not.toContain('PRIVATE')
    }
  })
})
