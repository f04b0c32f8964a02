import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../support/source.ts'

const read = (file: string) => readFile(path.join(root, file), 'utf8')

interface PackageJson {
  version: string
  engines: { node: string }
  [field: string]: unknown
}

const packageJson = JSON.parse(await read('package.json')) as PackageJson

describe('the version of package.json', () => {
  it('is that of the lock file and of the image', async () => {
    const { version } = packageJson
    const lock = JSON.parse(await read('package-lock.json')) as {
      version: string
      packages: Record<string, PackageJson>
    }
    const label = /org\.opencontainers\.image\.version="(.*)"/.exec(await read('docker/Dockerfile'))
    expect([lock.version, lock.packages['']?.version, label?.[1]]).toEqual([
      version,
      version,
      version,
    ])
  })

  it('is in the changelog, as released or as what comes', async () => {
    const changelog = await read('CHANGELOG.md')
    const { version } = packageJson
    const [, unreleased = ''] = changelog.split(/^## /m)
    expect(unreleased).toMatch(/^\[Unreleased\]\n/)
    const isReleased = changelog.includes(`\n## [${version}] - `)
    const isComing = unreleased.includes(`To become ${version}.`)
    expect([isReleased, isComing].filter(Boolean)).toHaveLength(1)
  })

  it('is of a package that says what it is, for which Node, and under which licence', async () => {
    expect(packageJson).toMatchObject({
      name: 'landfall',
      description: expect.stringMatching(/\w{3}/),
      license: 'MIT',
      type: 'module',
      keywords: expect.arrayContaining(['upload', 'tus']),
    })
    expect(await read('LICENSE')).toMatch(/^MIT License/)
    const [, oldest = ''] = /^>=(\d+\.\d+)$/.exec(packageJson.engines.node) ?? []
    expect(await read('CONTRIBUTING.md')).toContain(`Node ${oldest} or newer`)
  })

  it('takes the very version of the embedded database that made the one it ships', () => {
    const { dependencies } = packageJson as unknown as { dependencies: Record<string, string> }
    expect(dependencies['@electric-sql/pglite']).toMatch(/^\d+\.\d+\.\d+$/)
  })
})
