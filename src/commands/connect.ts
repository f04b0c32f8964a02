import { type Client, createClient, type LandfallError } from '../client/client.ts'
import type { Environment } from '../config.ts'
import { CommandFailure, exitCodes } from './exit.ts'

/** Where a running server is, and with which token it is asked. */
export interface Address {
  /** Without a slash at the end. */
  url: string
  token: string | null
}

const DEFAULT_URL = 'http://127.0.0.1:8080'

/**
 * `LANDFALL_URL` (default `http://127.0.0.1:8080`) and `LANDFALL_TOKEN`. Throws a CommandFailure
 * with exit code 78 where they are no such things.
 *
 * @param url in the place of LANDFALL_URL.
 */
export function addressOf(env: Environment, url?: string): Address {
  const named = url ?? (env.LANDFALL_URL || DEFAULT_URL)
  if (!/^https?:\/\/./.test(named) || !URL.canParse(named)) {
    const what = url === undefined ? 'LANDFALL_URL' : '--url'
    throw new CommandFailure(
      `${what} is not a URL such as ${DEFAULT_URL}`,
      url === undefined ? exitCodes.configuration : exitCodes.usage,
    )
  }
  const token = env.LANDFALL_TOKEN || null
  if (token !== null && !/^[!-~]+$/.test(token))
    throw new CommandFailure('LANDFALL_TOKEN is not a token', exitCodes.configuration)
  return { url: named.replace(/\/+$/, ''), token }
}

/**
 * Where an upload is that a server has named in `Location`, by the address at which the server was
 * asked: whatever it calls itself, such as `http:` behind a proxy that ends TLS, the token and the
 * bytes go nowhere else.
 */
export function uploadAt({ url }: Address, location: string): string {
  const { pathname } = new URL(location, url)
  return url + pathname.slice(Math.max(0, pathname.lastIndexOf('/files/')))
}

/** A client of the running server, for commands that must have a token. */
export function connect(env: Environment): Client {
  const { url, token } = addressOf(env)
  if (token === null) {
    const text = 'LANDFALL_TOKEN is not set: it takes the token of an admin (or staff, for files)'
    throw new CommandFailure(text, exitCodes.configuration)
  }
  return createClient({ url, token })
}

/** What the server said, for a person. */
export function complaintOf({ detail, message, status }: LandfallError): string {
  return detail === null ? message : `${detail} (${status})`
}
