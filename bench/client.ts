import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Absent } from './absent.ts'
import { programOnPath } from './install.ts'
import { runToEnd } from './program.ts'

/** What bench/client/main.go is told to do; its type Job says what the members mean. */
export interface Job {
  Mode: 'tus' | 'chunked' | 'form' | 'get' | 'slow' | 'wait'
  URL: string
  Headers?: Record<string, string>
  File?: string
  Size?: number
  Count?: number
  Concurrency?: number
  WithUpload?: boolean
  CreateOnly?: boolean
  Chunk?: number
  MD5?: string
  Rate?: number
  Seconds?: number
}

/** What it measured, in seconds. */
export interface Outcome {
  seconds: number
  completeSeconds: number
  p50: number
  p95: number
  p99: number
  clientCpu: number
  done: number
  location: string
}

export interface Client {
  /** @throws when an answer is not what it has to be. */
  do(job: Job): Promise<Outcome>
}

const source = fileURLToPath(new URL('client', import.meta.url))

/** Builds the client. @throws Absent where there is no Go. */
export async function buildClient(cache: string): Promise<Client> {
  const go = await programOnPath('go', 'the client is built with Go 1.21 or newer')
  await mkdir(cache, { recursive: true })
  const program = path.join(cache, 'bench-client')
  try {
    await runToEnd(go, ['build', '-o', program, '.'], { cwd: source })
  } catch (error) {
    throw new Absent(`the client cannot be built: ${(error as Error).message.slice(0, 200)}`)
  }
  return {
    async do(job) {
      const { stdout } = await promisify(execFile)(program, [JSON.stringify(job)])
      return JSON.parse(stdout) as Outcome
    },
  }
}
