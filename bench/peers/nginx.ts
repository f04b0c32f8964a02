import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { programOnPath } from '../install.ts'
import { freePort, type Program, startProgram } from '../program.ts'

const page = fileURLToPath(new URL('../../docs/nginx.md', import.meta.url))

/**
 * nginx with the configuration of docs/nginx.md, in front of a server that hands downloads to it.
 * `start` gets the address that clients will use, and tells where the server is. @throws Absent
 */
export async function startNginx(
  folder: string,
  start: (url: string) => Promise<{ origin: string; dataDir: string }>,
): Promise<Program & { url: string }> {
  const command = await programOnPath('nginx', 'apt-get install nginx')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const { origin, dataDir } = await start(url)
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755)
  const config = path.join(folder, 'nginx.conf')
  await writeFile(config, await configuration(folder, { origin, dataDir, port }))
  const log = path.join(folder, 'error.log')
  const program = await startProgram({
    name: 'nginx',
    command,
    args: ['-p', folder, '-e', log, '-c', config, '-g', 'daemon off;'],
    folder,
    port,
  })
  return { ...program, url }
}

async function configuration(
  folder: string,
  to: { origin: string; dataDir: string; port: number },
): Promise<string> {
  const [, block = ''] = /^```nginx\n([\s\S]*?)^```$/m.exec(await readFile(page, 'utf8')) ?? []
  const changes = [
    ['server 127.0.0.1:8080;', `server ${new URL(to.origin).host};`],
    ['listen 80;', `listen 127.0.0.1:${to.port};`],
    ['alias /srv/landfall/data/files/;', `alias ${to.dataDir}/files/;`],
  ] as const
  const http = changes.reduce((text, [from, into]) => {
    if (!text.includes(from)) throw new Error(`docs/nginx.md has no ${from}`)
    return text.replace(from, into)
  }, block)
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  // As root its workers would be another user, to whom the folders of the bench are closed.
  const user = process.getuid?.() === 0 ? ['user root;'] : []
  const around = ['events {}', 'http {', 'access_log off;', 'default_type text/html;']
  return [...user, `pid ${folder}/nginx.pid;`, ...around, ...folders, http, '}'].join('\n')
}
