import type { HttpBindings } from '@hono/node-server'
import type { Actor } from '../auth/actor.ts'

/** What Hono's context carries: Node's own request and response, and what the middleware found. */
export interface Env {
  Bindings: HttpBindings
  Variables: {
    requestId: string
    actor: Actor
    /** The door that took the request, where its path does not tell. */
    door?: string
  }
}
