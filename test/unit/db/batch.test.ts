import { describe, expect, it } from 'vitest'
import { createBatch } from '../../../src/db/batch.ts'

/** Statements that run until they are let go, one after the other. */
function held() {
  const runs: string[] = []
  const waiting: (() => void)[] = []
  const run = async (name: string) => {
    runs.push(name)
    await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const settle = async () => {
    while (waiting.length > 0) {
      waiting.shift()?.()
      await new Promise(setImmediate)
    }
  }
  return { runs, run, settle }
}

describe('a batch', () => {
  it('runs the first alone and at once, and what comes meanwhile together', async () => {
    const { runs, run, settle } = held()
    const batch = createBatch<string, string>({
      alone: (item) => run(item).then(() => item.toUpperCase()),
      together: (items) => run(items.join('+')).then(() => items.map((item) => `${item}!`)),
    })
    const results = Promise.all(['a', 'b', 'c'].map((item) => batch('key', item)))
    await settle()
    expect(await results).toEqual(['A', 'b!', 'c!'])
    expect(runs).toEqual(['a', 'b+c'])
    const later = batch('key', 'd')
    await settle()
    expect(await later).toBe('D')
  })

  it('lets nobody wait for another key', async () => {
    const { runs, run, settle } = held()
    const batch = createBatch<string, string>({
      alone: (item) => run(item).then(() => item),
      together: async () => [],
    })
    const results = Promise.all([batch('one', 'a'), batch('two', 'b')])
    expect(runs).toEqual(['a', 'b'])
    await settle()
    expect(await results).toEqual(['a', 'b'])
  })

  it('gives each what was meant for it: what fails together goes alone', async () => {
    const batch = createBatch<number, number>({
      async alone(item) {
        if (item === 3) throw new Error('three')
        return item
      },
      async together(items) {
        if (items.includes(3)) throw new Error('one of them')
        return items.map((item) => (item === 6 ? undefined : item * 10))
      },
    })
    const first = await Promise.allSettled([1, 2, 3, 4].map((item) => batch('key', item)))
    expect(first.map((each) => (each.status === 'fulfilled' ? each.value : 'failed'))).toEqual([
      1,
      2,
      'failed',
      4,
    ])
    // The last of them has ended, and with it the queue.
    await new Promise(setImmediate)
    expect(await Promise.all([5, 6, 7].map((item) => batch('key', item)))).toEqual([5, 6, 70])
  })
})
