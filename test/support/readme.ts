import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { root } from './source.ts'

export interface Block {
  /** The heading it stands under, without its marks. */
  section: string
  /** `sh`, `js`, … */
  language: string
  text: string
}

/** The fenced blocks of README.md, in order, exactly as a reader copies them. */
export async function readmeBlocks(): Promise<Block[]> {
  const readme = await readFile(path.join(root, 'README.md'), 'utf8')
  const blocks: Block[] = []
  let section = ''
  for (const match of readme.matchAll(/^#+ (.+)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    const [, heading, language, text] = match
    if (heading !== undefined) section = heading
    if (language !== undefined && text !== undefined) blocks.push({ section, language, text })
  }
  return blocks
}
