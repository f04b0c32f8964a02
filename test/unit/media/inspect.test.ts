import { execFile, fork } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  createInspector,
  type Inspector,
  type InspectorOptions,
  isInspectionFailure,
} from '../../../src/media/inspect.ts'
import { ended } from '../../support/alive.ts'
import { buildInterlacedPng, buildPng } from '../../support/images.ts'

let directory = ''
const open: Inspector[] = []

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'landfall-inspect-'))
})

afterAll(() => rm(directory, { recursive: true, force: true }))

afterEach(async () => {
  await Promise.all(open.splice(0).map((inspector) => inspector.close()))
})

const start = (options: Partial<InspectorOptions> = {}): Inspector => {
  const inspector = createInspector({ maxImagePixels: 1_000_000, ...options })
  open.push(inspector)
  return inspector
}

const store = async (name: string, bytes: Uint8Array): Promise<string> => {
  const file = path.join(directory, name)
  await writeFile(file, bytes)
  return file
}

const childrenOfOurs = async (): Promise<string[]> => {
  const { stdout } = await promisify(execFile)('ps', [
    '-o',
    'pid=,args=',
    '--ppid',
    `${process.pid}`,
  ])
  return stdout.split('\n').filter((line) => line.includes('inspect-child'))
}

describe('with the real child', () => {
  it('says what a file is, and goes on with the next one in the same child', async () => {
    const inspector = start()
    const file = await store('a.png', buildPng(30, 20, 8, 6))
    const job = { path: file, size: 200, name: 'a.png', declaredType: 'text/plain' }
    const expected = {
      type: 'image',
      mimeType: 'image/png',
      width: 30,
      height: 20,
      mode: 'RGBA',
      tooManyPixels: false,
    }
    expect(await inspector.inspect(job)).toEqual(expected)
    const children = await childrenOfOurs()
    for (let count = 0; count < 50; count++) expect(await inspector.inspect(job)).toEqual(expected)
    // By the same child: to start one takes longer than all of these.
    expect(await childrenOfOurs()).toEqual(children)
  })

  it('gives no image data for what is none', async () => {
    const file = await store('a.csv', Buffer.from('a,b\n'))
    const found = await start().inspect({ path: file, size: 4, name: 'a.csv', declaredType: null })
    expect(found).toEqual({
      type: 'spreadsheet',
      mimeType: 'text/csv',
      width: null,
      height: null,
      mode: null,
      tooManyPixels: false,
    })
  })

  it('looks at no byte behind the size it was told', async () => {
    const file = await store('long', Buffer.from('text\0'))
    const found = await start().inspect({ path: file, size: 4, name: '', declaredType: null })
    expect(found.mimeType).toBe('text/plain')
  })

  it('says that an image has too many pixels', async () => {
    const file = await store('big.png', buildPng(2_000, 2_000, 1, 0))
    const job = { path: file, size: 5_000, name: '', declaredType: null }
    expect((await start().inspect(job)).tooManyPixels).toBe(true)
    expect((await start({ maxImagePixels: 4_000_000 }).inspect(job)).tooManyPixels).toBe(false)
  })

  it('does not blame a file for bytes that cannot be read', async () => {
    const job = { path: path.join(directory, 'gone'), size: 4, name: '', declaredType: null }
    await expect(start().inspect(job)).rejects.toMatchObject({ reason: 'unavailable' })
  })

  it('makes a thumbnail that fits, is turned upright, and never larger than the image', async () => {
    const inspector = start()
    const jpeg = await sharp({
      create: { width: 400, height: 200, channels: 3, background: '#c33' },
    })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer()
    const file = await store('turned.jpg', jpeg)
    const sizeAt = async (width: number): Promise<unknown> => {
      const bytes = await inspector.thumbnail({ path: file, width })
      const found = await sharp(bytes ?? undefined).metadata()
      return [found.format, found.width, found.height]
    }
    expect(await sizeAt(80)).toEqual(['webp', 80, 160])
    expect(await sizeAt(5_000)).toEqual(['webp', 200, 400])
  })

  it('makes no thumbnail of an SVG, a text, a broken image or one with too many pixels', async () => {
    const inspector = start()
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'
    const heads = [
      Buffer.from(svg),
      Buffer.from('\ufeff'.repeat(3) + svg),
      Buffer.from('hello'),
      buildPng(30, 20).subarray(0, 20),
      buildPng(2_000, 2_000, 1, 0),
    ]
    for (const [index, bytes] of heads.entries()) {
      const file = await store(`none-${index}`, bytes)
      expect(await inspector.thumbnail({ path: file, width: 80 }), String(index)).toBeNull()
    }
  })

  it('gives up an image that needs more memory than allowed, and works on', async () => {
    const inspector = start({
      memoryLimitBytes: 200 * 1024 * 1024,
      maxImagePixels: 10 ** 9,
      processes: 1,
    })
    const file = await store('wide.png', buildInterlacedPng(12_000))
    await expect(inspector.thumbnail({ path: file, width: 80 })).rejects.toSatisfy(
      isInspectionFailure,
    )
    const small = await store('small.png', buildPng(30, 20))
    expect(await inspector.thumbnail({ path: small, width: 10 })).not.toBeNull()
  })

  it('leaves no child behind when the parent is killed', async () => {
    const file = await store('a.txt', Buffer.from('text'))
    const script = `
      import { createInspector } from ${JSON.stringify(new URL('../../../src/media/inspect.ts', import.meta.url).href)}
      import { readdirSync, readFileSync } from 'node:fs'
      const inspector = createInspector({ maxImagePixels: 1e6 })
      await inspector.inspect({ path: ${JSON.stringify(file)}, size: 4, name: '', declaredType: null })
      const children = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8')
      process.send(children.trim().split(' ').map(Number))
    `
    const module = await store('parent.mts', Buffer.from(script))
    const tsx = fileURLToPath(import.meta.resolve('tsx'))
    const parent = fork(module, { execArgv: ['--import', tsx] })
    const pids = await new Promise<number[]>((resolve, reject) => {
      parent.once('message', (message) => resolve(message as number[]))
      parent.once('exit', (code) => reject(new Error(`exit code ${code}`)))
    })
    parent.removeAllListeners('exit')
    expect(pids.length).toBeGreaterThan(0)
    parent.kill('SIGKILL')
    for (const pid of pids) expect(await ended(pid), `child ${pid}`).toBe(true)
  })

  it('does not keep a program from ending', async () => {
    const file = await store('b.txt', Buffer.from('text'))
    const script = `
      import { createInspector } from ${JSON.stringify(new URL('../../../src/media/inspect.ts', import.meta.url).href)}
      const inspector = createInspector({ maxImagePixels: 1e6 })
      const found = await inspector.inspect({ path: ${JSON.stringify(file)}, size: 4, name: '', declaredType: null })
      console.log(found.mimeType)
    `
    const module = await store('short.mts', Buffer.from(script))
    const tsx = fileURLToPath(import.meta.resolve('tsx'))
    const run = promisify(execFile)(process.execPath, ['--import', tsx, module], {
      timeout: 10_000,
    })
    expect((await run).stdout).toBe('text/plain\n')
  })
})
