import { afterEach, describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import {
  createInspector,
  type Inspector,
  type InspectorOptions,
  isInspectionFailure,
} from '../../../src/media/inspect.ts'
import { ended, isRunning } from '../../support/alive.ts'

const open: Inspector[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((inspector) => inspector.close()))
})

const start = (options: Partial<InspectorOptions> = {}): Inspector => {
  const inspector = createInspector({ maxImagePixels: 1_000_000, ...options })
  open.push(inspector)
  return inspector
}

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

  // Through as many functions as there may be between the inspection and what it is for.
  it.each([0, 50])(
    'tells that a job begins when whoever waited for the one before has gone on, %i calls deep',
    async (depth) => {
      const inspector = start({ childModule, processes: 1 })
      const order: string[] = []
      const begins = (name: string) => async () => void order.push(`begins ${name}`)
      const names = ['slow', 'a']
      await Promise.all(
        names.map(async (name) => {
          await inspector.inspect(job(name), begins(name))
          for (let n = 0; n < depth; n++) await null
          order.push(`done ${name}`)
        }),
      )
      expect(order).toEqual(['begins slow', 'done slow', 'begins a', 'done a'])
    },
  )

  it('does not look at a file that may not begin', async () => {
    const inspector = start({ childModule, processes: 1 })
    const refusal = new Fault('file-unreadable')
    const refused = inspector.inspect(job('crash'), () => Promise.reject(refusal))
    await expect(refused).rejects.toBe(refusal)
    const pid = pidOf(await inspector.inspect(job('a')))
    expect(pidOf(await inspector.inspect(job('b')))).toBe(pid)
  })

  it('does not begin, and blames no file, when a child ends before it takes jobs', async () => {
    const module = new URL('data:text/javascript,process.exit(1)')
    const inspector = start({ childModule: module, processes: 1 })
    let begun = 0
    const inspected = inspector.inspect(job('a'), async () => void begun++)
    await expect(inspected).rejects.toMatchObject({ reason: 'unavailable' })
    expect(begun).toBe(0)
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
    const inspector = start({ childModule, processes: 2 })
    const done: string[] = []
    const thumbnail = () =>
      inspector.thumbnail({ path: '/nowhere', width: 1 }).then(() => done.push('thumbnail'))
    const inspection = () => inspector.inspect(job('a')).then(() => done.push('inspection'))
    await Promise.all([thumbnail(), thumbnail(), inspection()])
    expect(done).toEqual(['inspection', 'thumbnail', 'thumbnail'])
  })

  it('reports a module that cannot be started as a failed inspection', async () => {
    const missing = new URL('./missing.mjs', import.meta.url)
    await expect(start({ childModule: missing }).inspect(job('a'))).rejects.toBeInstanceOf(Fault)
  })
})
