import type { Context, Handler } from 'hono'
import type { Env } from '../protocols/env.ts'

export type MethodHandlers = Partial<
  Record<
    'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    (c: Context<Env>) => Response | Promise<Response>
  >
>

/**
 * One path's handlers by method, for `app.all(path, methods({…}))`: every other method is answered
 * 405 with `Allow` (RFC 9110 §15.5.6) and the words of Django REST framework. HEAD is GET without
 * its body.
 */
export function methods(handlers: MethodHandlers): Handler<Env> {
  const allow = [
    ...Object.keys(handlers),
    ...(handlers.GET === undefined ? [] : ['HEAD']),
    'OPTIONS',
  ].join(', ')
  return function byMethod(c) {
    const { method } = c.req
    if (method === 'OPTIONS') return c.body(null, 204, { Allow: allow })
    const name = method === 'HEAD' ? 'GET' : method
    const handler = Object.hasOwn(handlers, name)
      ? handlers[name as keyof MethodHandlers]
      : undefined
    if (handler !== undefined) return handler(c)
    const detail = `Method "${method}" not allowed.`
    return c.json({ detail }, 405, { Allow: allow, 'Cache-Control': 'no-store' })
  }
}
