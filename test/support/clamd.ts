import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort } from './free-port.ts'

/** What every scanner must find; in two halves, so that none finds it in this file. */
export const EICAR = [
  'X5O!P%@AP[4\\PZX54(P^)7CC)7}$',
  'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*',
].join('')

/** Bytes of the largest stream that this clamd takes. */
export const STREAM_MAX = 2 * 1024 * 1024

export interface Clamd {
  port: number
  start(): Promise<void>
  /** Resolves when the process has ended. */
  stop(): Promise<void>
  remove(): Promise<void>
}

/** A real clamd with one signature of our own, on a port that it keeps over stop and start. */
export async function createClamd(program: string): Promise<Clamd> {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-clamd-'))
  const database = path.join(folder, 'db')
  const log = path.join(folder, 'clamd.log')
  const config = path.join(folder, 'clamd.conf')
  const port = await freePort()
  await mkdir(database)
  await chmod(folder, 0o755)
  // A signature of the simplest form: name, any type of file, anywhere in it, these bytes.
  const signature = `Landfall.Test.Eicar:0:*:${Buffer.from(EICAR).toString('hex')}\n`
  await writeFile(path.join(database, 'test.ndb'), signature)
  await writeFile(
    config,
    [
      'Foreground yes',
      `TCPSocket ${port}`,
      'TCPAddr 127.0.0.1',
      `DatabaseDirectory ${database}`,
      `LogFile ${log}`,
      `StreamMaxLength ${STREAM_MAX}`,
      'AlertExceedsMax yes',
      '',
    ].join('\n'),
  )
  let ended: Promise<unknown> | undefined
  let kill = () => {}

  async function stop() {
    kill()
    await ended
  }

  return {
    port,
    async start() {
      const child = spawn(program, ['--config-file', config], { stdio: 'ignore' })
      let gone = false
      ended = once(child, 'exit').then(() => {
        gone = true
      })
      kill = () => void child.kill('SIGTERM')
      while (!(await answers(port))) {
        if (gone) throw new Error(`clamd did not start: ${await readFile(log, 'utf8')}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    stop,
    async remove() {
      await stop()
      await rm(folder, { recursive: true })
    },
  }
}

/** The same in a few lines, for machines without clamd: it answers in the words of the real one. */
export async function createFakeClamd(): Promise<Clamd> {
  const port = await freePort()
  const sockets = new Set<Socket>()
  let server: Server | undefined
  async function stop() {
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
    server = undefined
  }
  return {
    port,
    stop,
    remove: stop,
    async start() {
      server = createServer((socket) => {
        sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
        const read = frameReader()
        let answered = false
        socket.on('data', (bytes: Buffer) => {
          const reply = answered ? undefined : read(bytes)
          if (reply === undefined) return
          answered = true
          // As the real one does: what is still on its way is met by a reset.
          socket.write(`${reply}\0`, () => socket.resetAndDestroy())
        })
      }).listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
  }
}

/** Takes bytes as they come and gives the reply once it can be told. */
function frameReader(): (bytes: Buffer) => string | undefined {
  let rest = Buffer.alloc(0)
  let total = 0
  // The last bytes before the present frame, where half of the signature may be.
  let tail = ''
  let found = false
  let begun = false
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    if (!begun) rest = rest.subarray('zINSTREAM\0'.length)
    begun = true
    while (rest.length >= 4) {
      const length = rest.readUInt32BE()
      if (length === 0) return found ? 'stream: Landfall.Test.Eicar FOUND' : 'stream: OK'
      if (rest.length < 4 + length) return undefined
      total += length
      if (total > STREAM_MAX) return 'INSTREAM size limit exceeded. ERROR'
      const text = tail + rest.toString('latin1', 4, 4 + length)
      found ||= text.includes(EICAR)
      tail = text.slice(-EICAR.length)
      rest = rest.subarray(4 + length)
    }
    return undefined
  }
}

/** Whether somebody there answers PING. */
function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false)).once('close', () => resolve(false))
    socket.once('data', (text: string) => resolve(text === 'PONG\0'))
    socket.write('zPING\0')
  }).finally(() => socket.destroy()) as Promise<boolean>
}
