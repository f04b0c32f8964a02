import { Hono, type MiddlewareHandler } from 'hono'
import type { Env } from '../protocols/env.ts'
import type { Log } from '../telemetry/log.ts'
import { type AllowedOrigins, cors } from './cors.ts'
import { requireFewHeaders } from './header-count.ts'
import { createOnError, onNotFound } from './on-error.ts'
import { requireHost } from './require-host.ts'

export interface AppDeps {
  log: Log
  corsOrigins: AllowedOrigins
  requestLog: MiddlewareHandler<Env>
  /** Every door and where it stands, in the order in which they are asked. */
  mounts: readonly (readonly [path: string, routes: Hono<Env>])[]
  /** Paths that answer OPTIONS themselves. */
  ownOptions: readonly string[]
}

/** All mounts in one list: what is not mounted here is not served. */
export function createApp(deps: AppDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  app.onError(createOnError(deps.log))
  app.notFound(onNotFound)
  app.use(deps.requestLog)
  app.use(cors(deps.corsOrigins, { passOptionsTo: deps.ownOptions }) as MiddlewareHandler<Env>)
  app.use(requireFewHeaders)
  app.use(requireHost)
  for (const [path, routes] of deps.mounts) app.route(path, routes)
  return app
}
