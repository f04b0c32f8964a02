import { describe, expect, it } from 'vitest'
import { freeMemory } from '../../../src/streams/free-memory.ts'

describe('freeMemory', () => {
  it('frees what has memory of its own, and says so by its length', () => {
    const own = [Buffer.alloc(100_000, 'a'), new Uint8Array(16 * 1024), Buffer.alloc(0)]
    freeMemory(own)
    expect(own.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0])
  })

  it('is not asked twice for nothing', () => {
    const own = Buffer.alloc(100_000, 'a')
    freeMemory([own])
    freeMemory([own])
    expect(own.byteLength).toBe(0)
  })

  it('takes two views of the same bytes for one', () => {
    const own = Buffer.alloc(100_000, 'a')
    freeMemory([own, new Uint8Array(own.buffer)])
    expect(own.byteLength).toBe(0)
  })

  it('leaves alone what is small, since a parser may give it out again', () => {
    const kept = Buffer.alloc(1000, 'a')
    freeMemory([kept])
    expect(kept.byteLength).toBe(1000)
  })

  it('leaves what cannot be handed over to the garbage collection', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(65_536))
    expect(() => freeMemory([shared])).not.toThrow()
    expect(shared.byteLength).toBe(65_536)
  })

  it('leaves alone what is a part of something larger', () => {
    const whole = Buffer.alloc(1000, 'a')
    const pooled = Buffer.from('from the pool of Node')
    freeMemory([whole.subarray(0, 999), whole.subarray(1), pooled])
    expect(whole.equals(Buffer.alloc(1000, 'a'))).toBe(true)
    expect(pooled.toString()).toBe('from the pool of Node')
  })

  it('holds nothing of two gigabytes, without waiting for a garbage collection', () => {
    const before = process.memoryUsage().arrayBuffers
    for (let n = 0; n < 2000; n++) freeMemory([Buffer.allocUnsafeSlow(1024 * 1024)])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * 1024 * 1024)
  })
})
