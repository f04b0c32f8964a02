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
export function readmeBlocks(): Promise<Block[]> {
  return blocksOf('README.md')
}

/** Those of any page of the checkout. */
export async function blocksOf(page: string): Promise<Block[]> {
  const text = await readFile(path.join(root, page), 'utf8')
  const blocks: Block[] = []
  let section = ''
  for (const match of text.matchAll(/^#+ (.+)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    const [, heading, language, block] = match
    if (heading !== undefined) section = heading
    if (language !== undefined && block !== undefined)
      blocks.push({ section, language, text: block })
  }
  return blocks
}

/** The blocks of a page that a reader may run, also those that are indented. */
export async function codeBlocksIn(page: string): Promise<string[]> {
  const text = await readFile(path.join(root, page), 'utf8')
  return [
    ...text.matchAll(/^ *```(?:sh|bash|js|jsx|ts|tsx|python|nginx)\n([\s\S]*?)^ *```$/gm),
  ].map(([, block = '']) => block)
}
