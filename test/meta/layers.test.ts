import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { importsOf, readSources, root, type SourceFile } from '../support/source.ts'

/** The rooms of src/, bottom to top. A room appears when it has something in it. */
const rooms = [
  'client',
  'errors.ts',
  'version.ts',
  'wire',
  'streams',
  'telemetry',
  'db',
  'storage',
  'auth',
  'uploads',
  'media',
  'events',
  'protocols',
  'http',
  'web',
  'config',
  'compose-stores.ts',
  'compose-doors.ts',
  'compose.ts',
  'commands',
  'cli.ts',
  'main.ts',
]

const reasons = {
  room: 'every file stands in a room of the list, so that the list says what it may import',
  layers:
    'imports go down only: a room that knows the rooms above it cannot be changed or tested without ' +
    'them',
  circles: 'files that import each other can only be read, loaded and tested as one',
  core:
    'the uploads core serves every door and does not know what becomes of an upload: compose hands ' +
    'that in as hooks',
  environment:
    'settings are read once, at the edge, where all mistakes are reported together; below that they ' +
    'are values',
  engine:
    "the tus engine is one door's affair: its errors, locks and ids must not become those of others",
  client:
    'the client is for browsers too, and is bundled by others: what it imports, all of them ship',
  web: 'the page runs in a browser, where the server is spoken to over HTTP only',
  http: 'the core and what lies below it are spoken to in words of no protocol',
  unused: 'what is installed and not imported costs time, space and trust for nothing',
  undeclared:
    'what is imported must be installed for users too, not by the luck of another package',
}

const sources = await readSources()

function roomOf(file: string): string {
  const [first = ''] = file.split('/')
  return /^config(?:-\w+)?\.ts$/.test(first) ? 'config' : first
}

function isBelow(file: string, ...names: string[]): boolean {
  return names.some((name) => file.startsWith(`${name}/`))
}

/** `a.ts → b.ts` for every import that the rule forbids. */
function imports(forbidden: (from: string, to: string) => boolean): string[] {
  return sources.flatMap(({ name, files }) =>
    files.filter((to) => forbidden(name, to)).map((to) => `${name} → ${to}`),
  )
}

/** The files that import one of the packages, but for those that may. */
function importersOf(isMeant: (name: string) => boolean, may: (file: string) => boolean): string[] {
  return sources
    .filter(({ name, packages }) => packages.some(isMeant) && !may(name))
    .map(({ name }) => name)
}

/** Every circle once, as the files on it in order, each starting where it was entered. */
function circles(files: readonly SourceFile[]): string[] {
  const byName = new Map(files.map((file) => [file.name, file]))
  const done = new Set<string>()
  const found: string[] = []
  function visit(name: string, way: readonly string[]): void {
    const start = way.indexOf(name)
    if (start >= 0) found.push([...way.slice(start), name].join(' → '))
    if (start >= 0 || done.has(name)) return
    for (const next of byName.get(name)?.files ?? []) visit(next, [...way, name])
    done.add(name)
  }
  for (const { name } of files) visit(name, [])
  return found
}

describe('the rooms of src/', () => {
  it('hold every file', () => {
    const strays = sources.filter(({ name }) => !rooms.includes(roomOf(name)))
    expect(
      strays.map(({ name }) => name),
      reasons.room,
    ).toEqual([])
  })

  it('import from themselves and from rooms below only', () => {
    const level = (file: string) => rooms.indexOf(roomOf(file))
    expect(
      imports((from, to) => level(to) > level(from)),
      reasons.layers,
    ).toEqual([])
  })

  it('import only files that exist', () => {
    const names = new Set(sources.map(({ name }) => name))
    expect(
      imports((_, to) => !names.has(to)),
      'a moved file was forgotten',
    ).toEqual([])
  })

  it('have no circles of files', () => {
    expect(circles(sources), reasons.circles).toEqual([])
  })

  it('keep the uploads core free of media and protocols', () => {
    const forbidden = imports(
      (from, to) => isBelow(from, 'uploads') && isBelow(to, 'media', 'events', 'protocols'),
    )
    expect(forbidden, reasons.core).toEqual([])
  })

  it('read the environment at the edge only', () => {
    const edge = ['config.ts', 'cli.ts', 'main.ts']
    // A child process is given its PATH and the like: no setting of ours is read there.
    const mayPassOn = ['media/inspect-process.ts']
    const readers = sources.filter(
      ({ text, packages }) =>
        /\bprocess\s*(?:\.\s*env\b|\[)/.test(text) || packages.includes('node:process'),
    )
    const others = readers.map(({ name }) => name).filter((name) => !edge.includes(name))
    expect(others, reasons.environment).toEqual(mayPassOn)
  })

  it('keep the tus engine inside its door', () => {
    const others = importersOf(
      (name) => name.startsWith('@tus/'),
      (file) => isBelow(file, 'protocols/tus'),
    )
    expect(others, reasons.engine).toEqual([])
  })

  it('keep the client free of everything else', () => {
    const strangers = sources
      .filter(({ name }) => isBelow(name, 'client'))
      .flatMap(({ packages, files }) => [
        ...packages,
        ...files.filter((to) => !isBelow(to, 'client')),
      ])
    expect(strangers, reasons.client).toEqual([])
    const unknown = sources.filter(
      ({ name, text }) => isBelow(name, 'client') && /\b(?:process|Buffer)\b\./.test(text),
    )
    expect(unknown, reasons.client).toEqual([])
  })

  it('give the page nothing of the server but its client and the grammar of HTTP', () => {
    const forbidden = imports(
      (from, to) => isBelow(from, 'web') && !isBelow(to, 'web', 'client', 'wire'),
    )
    expect(forbidden, reasons.web).toEqual([])
  })

  it('keep the HTTP framework in protocols/, http/ and compose.ts', () => {
    const others = importersOf(
      (name) => name === 'hono' || name.startsWith('@hono/'),
      (file) => isBelow(file, 'protocols', 'http') || file.startsWith('compose'),
    )
    expect(others, reasons.http).toEqual([])
  })
})

describe('package.json', async () => {
  const { dependencies } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const imported = new Set(
    sources.flatMap(({ packages }) => packages).filter((name) => !name.startsWith('node:')),
  )

  it('names no dependency that src/ does not import', () => {
    const unused = Object.keys(dependencies).filter((name) => !imported.has(name))
    expect(unused, reasons.unused).toEqual([])
  })

  it('names every package that src/ imports', () => {
    // Loads src/ as it is on a Node that cannot; dist/ never asks for it. The page is bundled.
    const development = ['tsx', 'preact']
    const undeclared = [...imported].filter(
      (name) => !Object.hasOwn(dependencies, name) && !development.includes(name),
    )
    expect(undeclared, reasons.undeclared).toEqual([])
  })
})

describe('the reader of imports', () => {
  it('sees every form of them, and neither comments nor strings', () => {
    const text = [
      "import { a } from 'a'",
      "import type { B } from './b.ts'",
      'import {',
      '  c,',
      '  type D,',
      "} from '../c.ts'",
      "import e, * as f from '@scope/e/deep'",
      "import 'g'",
      "export { h } from './h.ts'",
      "export * from './i.ts'",
      "const j = await import('./j.ts')",
      "type K = typeof import('./k.ts')",
      "// import { no } from 'comment'",
      'const text = "import { no } from \'string\'"',
      "export const l = 'no'",
    ].join('\n')
    const files = ['./b.ts', '../c.ts', './h.ts', './i.ts', './j.ts', './k.ts']
    expect(importsOf(text).sort()).toEqual(['a', '@scope/e/deep', 'g', ...files].sort())
  })
})
