import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { root } from '../support/source.ts'

const compiled = path.join(inject('compiled'), 'src/client/client.js')
let server: TestServer
let folder: string
const children: ChildProcess[] = []

beforeAll(async () => {
  server = await startServer()
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-client-'))
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

/** Runs a block of docs/client.md as it stands there, from the package as it is compiled. */
async function start(index: number) {
  const text = await readFile(path.join(root, 'docs/client.md'), 'utf8')
  const block = [...text.matchAll(/^```js\n([\s\S]*?)^```$/gm)][index]?.[1] ?? ''
  const file = path.join(folder, `${index}.mjs`)
  expect(block).toContain("'landfall/client'")
  await writeFile(file, block.replace('landfall/client', pathToFileURL(compiled).href))
  const child = spawn(process.execPath, [file], {
    env: { PATH: process.env.PATH, LANDFALL_URL: server.url, LANDFALL_TOKEN: ADMIN_KEY },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  const said = { text: '' }
  const more = new EventEmitter()
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      said.text += chunk
      more.emit('more')
    })
  return {
    ended: once(child, 'close').then(([code]) => ({ code, text: said.text })),
    async says(word: string) {
      while (!said.text.includes(word)) await once(more, 'more')
    },
  }
}

describe('docs/client.md', () => {
  const client = () => createClient({ url: server.url, token: ADMIN_KEY })

  it('uploads, changes and lists', async () => {
    const { code, text } = await (await start(0)).ended
    expect([code, text]).toEqual([0, expect.stringMatching(/^\d+ hello\.txt\n$/)])
  })

  it('reads an error', async () => {
    const { code, text } = await (await start(1)).ended
    expect([code, text]).toEqual([0, expect.stringMatching(/^400 \[\s*'Enter a valid username/)])
  })

  it('follows events until it has seen enough', async () => {
    const { ended, says } = await start(2)
    await says('open')
    const { id } = await client().files.upload({ file: new Blob(['x']), filename: 'x.txt' })
    await client().files.delete(id)
    const { code, text } = await ended
    expect([code, text]).toEqual([0, `open\nmedia.created ${id}\nmedia.deleted ${id}\n`])
  })
})

describe('landfall/client', () => {
  it('is what package.json exports, with its types', async () => {
    const { exports } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'))
    const { default: program, types } = exports['./client']
    expect([program, types]).toEqual(['./dist/client/client.js', './dist/client/client.d.ts'])
    await access(path.join(root, program.replace('dist', 'src').replace('.js', '.ts')))
    const names = Object.keys(await import(pathToFileURL(compiled).href))
    expect(names.sort()).toEqual(['LandfallError', 'createClient'])
  })
})
