import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'

/** A server that runs as a process of its own. */
export interface Program {
  pid: number
  /** Ends it with SIGTERM, and with SIGKILL when it does not end within ten seconds. */
  stop(): Promise<void>
}

export interface ProgramOptions {
  name: string
  command: string
  args: readonly string[]
  env?: Record<string, string>
  cwd?: string
  /** Where what it prints is kept. */
  folder: string
  /** The port that it listens on when it is ready. */
  port: number
}

const START_MS = 60_000
const STOP_MS = 10_000

/** Starts it and waits until it takes connections. @throws with what it printed when it ends. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { name, command, args, env = {}, folder, port } = options
  const log = path.join(folder, `${name.replaceAll(/\W+/g, '-')}.log`)
  const output = openSync(log, 'a')
  const child = spawn(command, args, {
    cwd: options.cwd ?? folder,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? folder, ...env },
    stdio: ['ignore', output, output],
  })
  const ended = once(child, 'exit').catch(() => [])
  const { pid } = child
  if (pid === undefined) throw new Error(`${name} cannot be started: ${command}`)
  const deadline = Date.now() + START_MS
  while (!(await accepts(port))) {
    const isOver = child.exitCode !== null || child.signalCode !== null || Date.now() > deadline
    if (!isOver) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      continue
    }
    await stop(child, ended)
    throw new Error(`${name} did not start: ${readFileSync(log, 'utf8').slice(-2000)}`)
  }
  return { pid, stop: () => stop(child, ended) }
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(timer)
}

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Runs a program to its end. @throws with the end of what it said on standard error. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    throw new Error(stderr.trim().slice(-600) || message, { cause: error })
  }
}
