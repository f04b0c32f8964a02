import type { Config } from '../config.ts'
import { exitCodes } from './exit.ts'
import type { Output } from './output.ts'

/** What compose.ts builds, as far as it is started and stopped from here. */
export interface Server {
  listen(): Promise<{ url: string; adminKey: string | null }>
  close(): Promise<void>
}

/** The part of Node's process that a running server needs. */
export interface Signals {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  exit(code: number): void
}

/**
 * Listens until SIGTERM or SIGINT, then closes: exit code 0, or 1 when that fails or takes longer
 * than SHUTDOWN_TIMEOUT. A second signal ends the process at once.
 */
export async function serve(
  server: Server,
  config: Config,
  output: Output,
  signals: Signals = process,
): Promise<void> {
  let stopping = false
  const stop = async () => {
    if (stopping) return signals.exit(exitCodes.failed)
    stopping = true
    const timer = setTimeout(() => {
      output.note(`Not everything ended within SHUTDOWN_TIMEOUT (${config.shutdownTimeoutMs} ms).`)
      signals.exit(exitCodes.failed)
    }, config.shutdownTimeoutMs)
    try {
      await server.close()
      signals.exit(exitCodes.ok)
    } catch (error) {
      output.note(`Closing failed: ${(error as Error).message}`)
      signals.exit(exitCodes.failed)
    } finally {
      clearTimeout(timer)
    }
  }
  signals.on('SIGTERM', stop)
  signals.on('SIGINT', stop)
  const { url, adminKey } = await server.listen().catch(async (error: unknown) => {
    await server.close().catch(() => {})
    throw error
  })
  output.result(greeting(url, adminKey, config))
}

/** What is printed once: where everything is, and the admin's key where there is a new one. */
export function greeting(url: string, adminKey: string | null, config: Config): string {
  const database =
    config.databaseUrl === undefined
      ? 'embedded, for this process alone: survives a crash of the process, not a power cut'
      : 'PostgreSQL'
  const lines = [
    `Landfall is serving at ${url}`,
    `  page       ${url}/`,
    `  tus        ${url}/files/`,
    `  media API  ${url}/api/media/files`,
    `  docs       ${url}/docs`,
    `  data       ${config.dataDir}`,
    `  database   ${database}`,
    ...(config.workers > 1 ? [`  workers    ${config.workers} processes`] : []),
  ]
  if (adminKey !== null)
    lines.push('', 'Token of the user admin, shown this once:', `  ${adminKey}`)
  return lines.join('\n')
}
