import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort } from './free-port.ts'
import { root } from './source.ts'

export interface Nginx {
  url: string
  close(): Promise<void>
}

/** Of an ordinary user: nobody of Debian. */
const NOBODY = 65_534

export interface NginxOptions {
  /** One server or several, each of which gets a request in turn. */
  backend: string | readonly string[]
  files: string
  /** Whether it compresses whatever it can, as systems may have it. Default true. */
  gzip?: boolean
}

/** Starts nginx with the configuration of docs/nginx.md, between clients and `backend`. */
export async function startNginx(
  program: string,
  { backend, files, gzip = true }: NginxOptions,
): Promise<Nginx> {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-nginx-'))
  const port = await freePort()
  const config = path.join(folder, 'nginx.conf')
  await writeFile(config, wrapped(folder, gzip, await documented({ backend, files, port })))
  // As root nginx would make its workers another user; so it is one from the start, as it may be.
  const asRoot = process.getuid?.() === 0
  if (asRoot) await chown(folder, NOBODY, NOBODY)
  else await chmod(folder, 0o755)
  const log = path.join(folder, 'error.log')
  const child = spawn(program, ['-p', folder, '-e', log, '-c', config, '-g', 'daemon off;'], {
    stdio: 'ignore',
    ...(asRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  })
  try {
    await accepts(port, child)
  } catch (error) {
    throw new Error(`nginx did not start: ${await readFile(log, 'utf8')}`, { cause: error })
  }
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true })
    },
  }
}

/** The block that people copy, with other ports and folders. */
async function documented(to: {
  backend: string | readonly string[]
  files: string
  port: number
}): Promise<string> {
  const page = await readFile(path.join(root, 'docs/nginx.md'), 'utf8')
  const [, block = ''] = /^```nginx\n([\s\S]*?)^```$/m.exec(page) ?? []
  const servers = [to.backend].flat().map((url) => `server ${new URL(url).host};`)
  const changes = [
    ['server 127.0.0.1:8080;', servers.join('\n  ')],
    ['listen 80;', `listen 127.0.0.1:${to.port};`],
    ['alias /srv/landfall/data/files/;', `alias ${to.files}/;`],
  ] as const
  return changes.reduce((text, [from, into]) => {
    if (!text.includes(from)) throw new Error(`docs/nginx.md has no ${from}`)
    return text.replace(from, into)
  }, block)
}

/** What a system's own nginx.conf has around the http block. */
function wrapped(folder: string, gzip: boolean, http: string): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  return [
    `pid ${folder}/nginx.pid;`,
    'events {}',
    'http {',
    'access_log off;',
    // What systems set, and what must not get at a file's headers or bytes.
    'default_type text/html;',
    ...(gzip ? ['gzip on;', 'gzip_types *;'] : []),
    ...folders,
    http,
    '}',
  ].join('\n')
}

/** Resolves when somebody listens; rejects when the process has ended before. */
async function accepts(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it has ended')
    const socket = connect(port, '127.0.0.1')
    const [connected] = await Promise.race([
      once(socket, 'connect').then(() => [true]),
      once(socket, 'close').then(() => [false]),
    ]).catch(() => [false])
    socket.destroy()
    if (connected) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
