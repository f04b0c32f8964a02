import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { findProgram } from './programs.ts'

/** Where an S3 store is, and who may use it. */
export interface S3Access {
  endpoint: string
  accessKeyId: string
  secretAccessKey: string
}

const HINT = {
  for: 'everything on S3',
  from: 'go install github.com/versity/versitygw/cmd/versitygw@v1.8.0, or name a store: S3_TEST_ENDPOINT',
}
const OWN = { accessKeyId: 'landfall-test', secretAccessKey: 'landfall-test-secret' }

/**
 * The store that S3_TEST_ENDPOINT names, with the credentials of AWS_ACCESS_KEY_ID and
 * AWS_SECRET_ACCESS_KEY; else versitygw, where it is installed, in a folder of its own.
 */
export async function startS3Server(): Promise<{ access: S3Access | null; stop(): Promise<void> }> {
  const { S3_TEST_ENDPOINT: given, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
  if (given) {
    const accessKeyId = AWS_ACCESS_KEY_ID ?? ''
    const secretAccessKey = AWS_SECRET_ACCESS_KEY ?? ''
    return { access: { endpoint: given, accessKeyId, secretAccessKey }, stop: async () => {} }
  }
  const program = findProgram('versitygw', HINT, goFolders())
  if (program === undefined) return { access: null, stop: async () => {} }
  return startVersity(program)
}

async function startVersity(program: string) {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-s3-'))
  const objects = path.join(folder, 'objects')
  // Beside the files: not every file system lets anybody set extended attributes.
  const sidecar = path.join(folder, 'sidecar')
  for (const name of [objects, sidecar]) await mkdir(name)
  const port = await freePort()
  const listen = ['-p', `127.0.0.1:${port}`, '-q', '--keep-alive']
  const child = spawn(program, [...listen, 'posix', '--sidecar', sidecar, objects], {
    stdio: 'ignore',
    env: { ROOT_ACCESS_KEY: OWN.accessKeyId, ROOT_SECRET_KEY: OWN.secretAccessKey },
  })
  const ended = once(child, 'exit')
  await untilReachable(port, () => child.exitCode !== null)
  return {
    access: { endpoint: `http://127.0.0.1:${port}`, ...OWN },
    async stop() {
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function untilReachable(port: number, hasEnded: () => boolean): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const reached = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (reached) return
    if (hasEnded()) throw new Error('the S3 store did not start')
    await delay(20)
  }
}

/** Where `go install` puts programs. */
function goFolders(): string[] {
  const folders = [process.env.GOBIN ?? '', path.join(homedir(), 'go', 'bin')]
  try {
    const gopath = execFileSync('go', ['env', 'GOPATH'], { encoding: 'utf8', stdio: 'pipe' }).trim()
    folders.push(path.join(gopath, 'bin'))
  } catch {
    // No Go here.
  }
  return folders
}
