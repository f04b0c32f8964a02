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
  /** Default: the block of docs/nginx.md. `shipped`: docker/nginx.conf, for two servers. */
  config?: 'documented' | 'shipped'
}

/** Starts nginx with a configuration that people copy, between clients and `backend`. */
export async function startNginx(
  program: string,
  { backend, files, gzip = true, config: which = 'documented' }: NginxOptions,
): Promise<Nginx> {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-nginx-'))
  const to = { backend: [backend].flat(), files, port: await freePort() }
  const config = path.join(folder, 'nginx.conf')
  const text =
    which === 'shipped' ? await shipped(folder, to) : wrapped(folder, gzip, await documented(to))
  await writeFile(config, text)
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
    await accepts(to.port, child)
  } catch (error) {
    throw new Error(`nginx did not start: ${await readFile(log, 'utf8')}`, { cause: error })
  }
  return {
    url: `http://127.0.0.1:${to.port}`,
    async close() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true })
    },
  }
}

interface Places {
  backend: readonly string[]
  files: string
  port: number
}

/** The block that people copy, with other ports and folders. */
async function documented(to: Places): Promise<string> {
  const page = await readFile(path.join(root, 'docs/nginx.md'), 'utf8')
  const [, block = ''] = /^```nginx\n([\s\S]*?)^```$/m.exec(page) ?? []
  const servers = to.backend.map((url) => `server ${new URL(url).host};`)
  return replaced(block, [
    ['server 127.0.0.1:8080;', servers.join('\n  ')],
    ['listen 80;', `listen 127.0.0.1:${to.port};`],
    ['alias /srv/landfall/data/files/;', `alias ${to.files}/;`],
  ])
}

/** docker/nginx.conf as it is, with other ports, hosts and folders. */
export async function shipped(folder: string, to: Places): Promise<string> {
  const [first = '', second = ''] = to.backend.map((url) => new URL(url).host)
  return replaced(await readFile(path.join(root, 'docker/nginx.conf'), 'utf8'), [
    ['pid /run/nginx.pid;', `pid ${folder}/nginx.pid;`],
    ['error_log /dev/stderr warn;', `error_log ${folder}/error.log warn;`],
    // An ordinary user may have fewer.
    ['worker_rlimit_nofile 65536;', ''],
    ['http {', `http {\n${temporaryFolders(folder)}`],
    ['server landfall-1:8080', `server ${first}`],
    ['server landfall-2:8080', `server ${second}`],
    ['listen 80;', `listen 127.0.0.1:${to.port};`],
    ['alias /srv/landfall/files/;', `alias ${to.files}/;`],
  ])
}

function replaced(text: string, changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((before, [from, into]) => {
    if (!before.includes(from)) throw new Error(`the configuration has no ${from}`)
    return before.replace(from, into)
  }, text)
}

function temporaryFolders(folder: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join('\n')
}

/** What a system's own nginx.conf has around the http block. */
function wrapped(folder: string, gzip: boolean, http: string): string {
  return [
    `pid ${folder}/nginx.pid;`,
    'events {}',
    'http {',
    'access_log off;',
    // What systems set, and what must not get at a file's headers or bytes.
    'default_type text/html;',
    ...(gzip ? ['gzip on;', 'gzip_types *;'] : []),
    temporaryFolders(folder),
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
