import { cp, mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { installOnce, programOnPath } from '../install.ts'
import { freePort, runToEnd, startProgram } from '../program.ts'
import type { PeerPlace, UploadServer } from '../upload-server.ts'

const PACKAGES = [
  'django==5.2.19',
  'djangorestframework==3.18.3',
  'drf-chunked-upload==0.6.0',
  'django-filter==26.2',
  'gunicorn==27.0.1',
  'psycopg[binary]==3.3.9',
]
const project = fileURLToPath(new URL('../programs/django', import.meta.url))

/** The folder of a virtual environment that has Django and what belongs to it. @throws Absent */
export async function installDjango(cache: string): Promise<string> {
  const python = await programOnPath('python3', 'Django is installed with pip')
  return installOnce(cache, 'django', PACKAGES.join(' '), async (to) => {
    await runToEnd(python, ['-m', 'venv', to])
    await runToEnd(path.join(to, 'bin', 'pip'), ['install', '--quiet', ...PACKAGES])
  })
}

/** A Django project under gunicorn, on a database of its own; `origin` is without a path. */
export async function startDjango(
  { cache, folder, database }: PeerPlace,
  env: Record<string, string> = {},
): Promise<Omit<UploadServer, 'uploads' | 'clean'> & { origin: string; media: string }> {
  const installed = await installDjango(cache)
  const home = path.join(folder, 'project')
  const media = path.join(folder, 'media')
  const temporary = path.join(folder, 'tmp')
  await cp(project, home, { recursive: true })
  for (const made of [media, temporary]) await mkdir(made)
  const settings = {
    DATABASE_URL: (await database()).url,
    MEDIA_ROOT: media,
    FILE_UPLOAD_TEMP_DIR: temporary,
    DJANGO_SETTINGS_MODULE: 'site_settings',
    ...env,
  }
  const python = path.join(installed, 'bin', 'python')
  const manage = (...args: string[]) =>
    runToEnd(python, ['-m', 'django', ...args], {
      cwd: home,
      env: { ...settings, PYTHONPATH: home },
    })
  await manage('migrate', '--verbosity', '0')
  const key = (await manage('make_token')).trim()
  const port = await freePort()
  // As gunicorn's documentation counts them.
  const workers = 2 * availableParallelism() + 1
  const { pid, stop } = await startProgram({
    name: 'django',
    command: path.join(installed, 'bin', 'gunicorn'),
    args: ['--bind', `127.0.0.1:${port}`, '--workers', String(workers), 'site_wsgi:application'],
    cwd: home,
    env: settings,
    folder,
    port,
  })
  const origin = `http://127.0.0.1:${port}`
  const headers = { Authorization: `Token ${key}` }
  return { pid, stop, origin, media, headers }
}
