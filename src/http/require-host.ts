import type { MiddlewareHandler } from 'hono'
import { Fault } from '../errors.ts'
import type { Env } from '../protocols/env.ts'

/**
 * "A server MUST respond with a 400 (Bad Request) status code … to any request message that contains
 * more than one Host header field line or a Host header field with an invalid field value" (RFC 9112
 * §3.2). Of two a proxy in front may have gone by the other one, and Node takes the first; and of a
 * host that is only nearly an address, such as `256.1.1.1`, no handler can make a URL.
 */
export const requireHost: MiddlewareHandler<Env> = async (c, next) => {
  // There is no Node request under `app.request()`.
  const names = c.env?.incoming?.rawHeaders ?? []
  const hosts = names.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host')
  if (hosts.length > 1 || !URL.canParse(c.req.url))
    throw new Fault('bad-request', { text: 'The Host of the request is none.' })
  await next()
}
