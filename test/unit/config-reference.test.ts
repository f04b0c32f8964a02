import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Config, type Environment, readConfig } from '../../src/config.ts'
import { kindsOfVariables, topics } from '../../src/config-reference.ts'
import { type VariableName, variables } from '../../src/config-variables.ts'
import { createCertificate } from '../support/certificate.ts'
import { root } from '../support/source.ts'

const kinds = kindsOfVariables()
const examples = topics.flatMap(
  (topic) => Object.entries(topic.examples) as [VariableName, string][],
)
const readable = examples.filter(([, example]) => !example.includes('…'))

describe('the reference of variables', () => {
  it('has every variable once, under one topic of src/config-reference.ts', () => {
    const names = variables.map(({ name }) => name)
    // The rest name a file with the value of another one.
    const own = names.filter((name) => !names.some((other) => name === `${other}_FILE`))
    expect(examples.map(([name]) => name).sort()).toEqual(own.sort())
  })

  it('has what each of them takes, from the code that reads it', () => {
    expect([...kinds.keys()].sort()).toEqual(examples.map(([name]) => name).sort())
  })

  it.each(readable)('has an example of %s that is taken: %s', (name, example) => {
    expect(kinds.get(name)?.parse(example)).not.toBeNull()
  })

  it('shortens no example but those of secrets', () => {
    const shortened = examples.filter((entry) => !readable.includes(entry))
    for (const [name] of shortened) expect([name, kinds.get(name)?.secret]).toEqual([name, true])
  })
})

/** The blocks of docs/configuration.md that are environments. */
async function documented(): Promise<Record<string, string>[]> {
  const text = await readFile(path.join(root, 'docs/configuration.md'), 'utf8')
  const [, part = ''] = text.split('\n## Examples\n')
  return [...part.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) =>
    Object.fromEntries(
      block
        .trim()
        .split('\n')
        .map((line) => {
          const [, name = '', value = ''] = /^([A-Z0-9_]+)=(\S+)$/.exec(line) ?? []
          return [name, value]
        }),
    ),
  )
}

/** In the place of files that only the machine of an operator has. */
const contents: Record<string, string> = {
  DATABASE_URL_FILE: 'postgres://landfall:secret@127.0.0.1:5432/landfall',
  ADMIN_TOKEN_FILE: 'a-token-that-nobody-can-guess',
  MEDIA_SECRET_FILE: 'a-secret-of-thirty-two-bytes-or-more',
  WEBHOOK_SECRET_FILE: `whsec_${Buffer.alloc(32).toString('base64')}`,
}

function onThisMachine(env: Environment, tls: Record<string, string>): Environment {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => {
      if (name in tls) return [name, tls[name]]
      return name in contents ? [name.replace(/_FILE$/, ''), contents[name]] : [name, value]
    }),
  )
}

describe('the examples of docs/configuration.md', () => {
  it('are three configurations that the server starts with', async () => {
    const { cert, key } = createCertificate()
    const folder = await mkdtemp(path.join(tmpdir(), 'landfall-tls-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const tls = { TLS_CERT: path.join(folder, 'cert.pem'), TLS_KEY: path.join(folder, 'key.pem') }
    await writeFile(tls.TLS_CERT, cert)
    await writeFile(tls.TLS_KEY, key)
    const found: Config[] = []
    for (const env of await documented()) found.push(readConfig(onThisMachine(env, tls)))
    expect(found).toMatchObject([
      { databaseUrl: undefined, storage: 'disk', mediaAccess: 'signed', workers: 1 },
      { serveWith: { by: 'x-accel-redirect' }, trustProxy: true, workers: 4, storage: 'disk' },
      { storage: 's3', s3: { bucket: 'media' }, mediaLinkExpiresMs: 6 * 3_600_000 },
    ])
    expect(found[1]?.databaseUrl).toBeDefined()
    expect(found[2]?.mediaSecrets).not.toBeNull()
  })
})
