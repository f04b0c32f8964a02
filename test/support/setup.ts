import { afterAll, expect } from 'vitest'
import { noteRequest, takeLeaks } from './secrets.ts'

/** Runs before every test file: what it sends is noted, and none of it may come back in a log. */

const send = globalThis.fetch
globalThis.fetch = async (input, init) => {
  const asked = input instanceof Request ? input : null
  try {
    const headers = new Headers(init?.headers ?? asked?.headers)
    noteRequest(asked?.url ?? String(input), (name) => headers.get(name))
  } catch {
    // A header that no request can have: there will be none, and the test wants to see that.
  }
  return send(input, init)
}

afterAll(() => {
  expect(takeLeaks(), 'lines of a log that held a secret').toEqual([])
})
