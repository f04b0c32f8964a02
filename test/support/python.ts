import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { root } from './source.ts'

const run = promisify(execFile)

export interface Python {
  /** The interpreter, with the requirements installed. */
  program: string
  remove(): Promise<void>
}

/**
 * A Python that has what an example requires: the machine's own where that is enough, else a
 * virtual environment made with pip. Undefined, and said aloud, where there is neither.
 */
export async function findPython(example: string, modules: string[]): Promise<Python | undefined> {
  const requirements = path.join(root, 'examples', example, 'requirements.txt')
  return pythonWith(modules, {
    for: `examples/${example}`,
    install: ['-r', requirements],
    from: `pip install -r examples/${example}/requirements.txt`,
  })
}

/** The same with whatever pip is told to install. */
export async function pythonWith(
  modules: string[],
  hint: { for: string; install: string[]; from: string },
): Promise<Python | undefined> {
  const imports = modules.map((name) => `import ${name}`).join('\n')
  if (await works('python3', ['-c', imports])) return { program: 'python3', remove: async () => {} }
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-python-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const program = path.join(folder, 'bin', 'python')
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...hint.install]
  if ((await works('python3', ['-m', 'venv', folder])) && (await works(program, pip)))
    return { program, remove }
  await remove()
  const what = `${hint.for}: there is no python3 with ${modules}, and none can be made`
  console.warn(`SKIPPED: ${what}. Get it with: ${hint.from}`)
  return undefined
}

async function works(program: string, args: string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  )
}
