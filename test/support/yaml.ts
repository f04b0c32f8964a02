import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { pythonWith } from './python.ts'
import { root } from './source.ts'

const run = promisify(execFile)

/** Anchors and merges are resolved; a key that comes twice is an error, as compose has it. */
const PROGRAM = `
import json, sys, yaml

class Strict(yaml.SafeLoader):
    pass

def mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value if key.value != '<<']
    assert len(keys) == len(set(keys)), f'a key comes twice: {keys}'
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))

Strict.add_constructor('tag:yaml.org,2002:map', mapping)
print(json.dumps(yaml.load(open(sys.argv[1], encoding='utf-8'), Strict)))
`

export interface YamlReader {
  /** What a file of the checkout says. Rejects where it is no YAML. */
  read(file: string): Promise<unknown>
  remove(): Promise<void>
}

/** There is no YAML in Node: Python's is asked. Undefined, and said aloud, where there is none. */
export async function findYamlReader(what: string): Promise<YamlReader | undefined> {
  const python = await pythonWith(['yaml'], {
    for: what,
    install: ['pyyaml>=6,<7'],
    from: 'pip install pyyaml',
  })
  if (python === undefined) return undefined
  return {
    async read(file) {
      const { stdout } = await run(python.program, ['-c', PROGRAM, path.join(root, file)])
      return JSON.parse(stdout)
    },
    remove: () => python.remove(),
  }
}
