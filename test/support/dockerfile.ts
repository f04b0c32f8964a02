import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { root } from './source.ts'

export interface Instruction {
  /** `COPY`, `RUN`, … */
  name: string
  /** What follows the name, without options; continued lines are one. */
  text: string
  /** `--from=build` is `{ from: 'build' }`. */
  options: Record<string, string>
}

export interface Stage {
  /** The image or the stage that it begins with. */
  from: string
  /** Its own name; empty for the last one, which is the image. */
  name: string
  instructions: Instruction[]
}

/** docker/Dockerfile, stage by stage. */
export async function readDockerfile(): Promise<Stage[]> {
  const text = await readFile(path.join(root, 'docker/Dockerfile'), 'utf8')
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages: Stage[] = []
  for (const line of lines) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    // What is before the first word; a command behind RUN has options of its own.
    const [leading = ''] = /^(?:--[\w-]+=\S+\s+)*/.exec(rest) ?? []
    const options = Object.fromEntries(
      [...leading.matchAll(/--([\w-]+)=(\S+)/g)].map(([, key = '', value = '']) => [key, value]),
    )
    const instruction = { name, text: rest.slice(leading.length).trim(), options }
    if (name !== 'FROM') stages.at(-1)?.instructions.push(instruction)
    else {
      const [, from = '', as = ''] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(instruction.text) ?? []
      stages.push({ from, name: as, instructions: [] })
    }
  }
  return stages
}

/** What docker/Dockerfile.dockerignore lets through: entries of the checkout. */
export async function buildContext(): Promise<string[]> {
  const text = await readFile(path.join(root, 'docker/Dockerfile.dockerignore'), 'utf8')
  const [first, ...rest] = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  if (first !== '*' || rest.some((line) => !/^![\w.-]+$/.test(line)))
    throw new Error('Dockerfile.dockerignore is no list of what is let through')
  return rest.map((line) => line.slice(1))
}
