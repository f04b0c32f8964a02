import type { MiddlewareHandler } from 'hono'
import { Fault } from '../errors.ts'
import type { Env } from '../protocols/env.ts'

/** Header fields of one request. Browsers and proxies send a few dozen. */
export const MAX_HEADERS = 256

/**
 * Refuses a request with more header fields than that. Node by itself keeps the first ones and
 * forgets the rest without a word, and a checksum to verify could be among them.
 */
export const requireFewHeaders: MiddlewareHandler<Env> = async (c, next) => {
  const names = (c.env?.incoming?.rawHeaders.length ?? 0) / 2
  if (names > MAX_HEADERS) throw new Fault('too-many-headers')
  await next()
}
