import { execFile, fork } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import {
  createInspector,
  type Inspector,
  type InspectorOptions,
  isInspectionFailure,
} from '../../../src/media/inspect.ts'
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

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const ended = async (pid: number): Promise<boolean> => {
  for (let tries = 0; tries < 200 && isRunning(pid); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return !isRunning(pid)
}

describe('with the real child', () => {
  it('says what a file is, again within a few milliseconds', async () => {
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
    const began = performance.now()
    for (let count = 0; count < 50; count++) await inspector.inspect(job)
    expect((performance.now() - began) / 50).toBeLessThan(20)
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

describe('with a child that misbehaves', () => {
  const childModule = new URL('../../support/inspect-child.mjs', import.meta.url)
  const job = (name: string) => ({ path: '/nowhere', size: 1, name, declaredType: null })
  const pidOf = (found: { mimeType: string }): number => Number(found.mimeType.split('/')[1])

  it('rejects the job whose child hung, after the time given, and kills the child', async () => {
    const inspector = start({ childModule, processes: 1, timeoutMs: 400 })
    const pid = pidOf(await inspector.inspect(job('a')))
    await expect(inspector.inspect(job('hang'))).rejects.toSatisfy(isInspectionFailure)
    expect(await ended(pid)).toBe(true)
    expect(pidOf(await inspector.inspect(job('b')))).not.toBe(pid)
  })

  it('rejects only the job whose child crashed; the others are done by new children', async () => {
    const lines: unknown[] = []
    const log = (message: string, fields: object): void => void lines.push({ message, ...fields })
    const inspector = start({ childModule, log })
    const names = ['a', 'crash', 'b', 'exit', 'c', 'crash', 'd']
    const outcomes = await Promise.allSettled(names.map((name) => inspector.inspect(job(name))))
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(
      names.map((name) => name.length === 1),
    )
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatchObject({ message: 'inspection failed', ended: 'crash' })
  })

  it('starts no more children than allowed and gives one job at a time to each', async () => {
    const inspector = start({ childModule, processes: 2 })
    const found = await Promise.all(Array.from({ length: 20 }, () => inspector.inspect(job('a'))))
    expect(new Set(found.map(pidOf)).size).toBeLessThanOrEqual(2)
  })

  it('starts jobs in the order of arrival', async () => {
    const inspector = start({ childModule, processes: 1 })
    const done: string[] = []
    const names = ['slow', 'a', 'b', 'c']
    await Promise.all(
      names.map(async (name) => {
        await inspector.inspect(job(name))
        done.push(name)
      }),
    )
    expect(done).toEqual(names)
  })

  it('replaces a child that says it is spent', async () => {
    const inspector = start({ childModule, processes: 1 })
    const spent = pidOf(await inspector.inspect(job('spent')))
    expect(pidOf(await inspector.inspect(job('a')))).not.toBe(spent)
    expect(await ended(spent)).toBe(true)
  })

  it('replaces a child that died while it had nothing to do', async () => {
    const inspector = start({ childModule, processes: 1 })
    const pid = pidOf(await inspector.inspect(job('a')))
    process.kill(pid, 'SIGKILL')
    await ended(pid)
    // The news of the death arrive with the next turn of the loop at the latest.
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(pidOf(await inspector.inspect(job('b')))).not.toBe(pid)
  })

  it('tells the child nothing of the settings and arguments of the parent', async () => {
    process.env.ADMIN_TOKEN = 'secret'
    const found = await start({ childModule }).inspect(job('a'))
    delete process.env.ADMIN_TOKEN
    const { env, execArgv } = JSON.parse(found.mode ?? '{}')
    expect(
      Object.keys(env).filter(
        (name) =>
          !/^(PATH|TMPDIR|LD_LIBRARY_PATH|SystemRoot|MALLOC_ARENA_MAX|NODE_CHANNEL_\w+)$/.test(
            name,
          ),
      ),
    ).toEqual([])
    expect(execArgv).toEqual(['--max-old-space-size=256'])
  })

  it('refuses what waits when it is closed, and lets what runs come to its end', async () => {
    const inspector = start({ childModule, processes: 1 })
    const running = inspector.inspect(job('slow'))
    const waiting = inspector.inspect(job('a'))
    const refused = expect(waiting).rejects.toMatchObject({ reason: 'shutting-down' })
    const closing = inspector.close()
    await refused
    const pid = pidOf(await running)
    await closing
    expect(isRunning(pid)).toBe(false)
    await expect(inspector.inspect(job('b'))).rejects.toMatchObject({ reason: 'shutting-down' })
  })

  it('does not blame a file for being looked at when the server ends', async () => {
    const inspector = start({ childModule, processes: 1 })
    const running = inspector.inspect(job('hang'))
    const refused = expect(running).rejects.toMatchObject({ reason: 'shutting-down' })
    await inspector.close()
    await refused
  })

  it('never lets thumbnails take the last child', async () => {
    const inspector = start({ childModule, processes: 2, timeoutMs: 1_500 })
    await inspector.inspect(job('a'))
    // The stand-in answers a thumbnail with something else, after its time.
    const thumbnails = Array.from({ length: 2 }, () =>
      inspector.thumbnail({ path: '/nowhere', width: 1 }).catch((error: Fault) => error),
    )
    const found = await inspector.inspect(job('b'))
    expect(found.type).toBe('other')
    await Promise.all(thumbnails)
  })

  it('reports a module that cannot be started as a failed inspection', async () => {
    const missing = new URL('./missing.mjs', import.meta.url)
    await expect(start({ childModule: missing }).inspect(job('a'))).rejects.toBeInstanceOf(Fault)
  })
})
