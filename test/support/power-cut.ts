import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { createRandom, type Random } from './content.ts'
import { type DiskCall, interceptDisk } from './disk-calls.ts'

/** What a disk knows of a file: what was synced, and what was done to it since. */
interface FileNode {
  durable: Buffer
  pending: FileOp[]
}
type FileOp = { at: number; bytes: Buffer } | { size: number }

/** What it knows of a folder. A change of names counts once a folder that it touches is synced. */
interface FolderNode {
  durable: Map<string, Node>
  now: Map<string, Node>
  pending: NameOp[]
}
interface NameOp {
  folders: FolderNode[]
  apply(): void
}
type Node = FileNode | FolderNode
const isFolder = (node: Node | undefined): node is FolderNode => node !== undefined && 'now' in node

export interface PowerCut {
  /** Folder of the bytes, and where what has survived is put. */
  folder: string
  survived: string
  /** The number of the operation before which the power goes. */
  at: number
  /**
   * Null: nothing that was not synced has reached the disk. A seed: some of it has, in any order,
   * as a kernel is free to write it, and some lengths without their bytes.
   */
  scattered: number | null
  /** Called when the power is gone. */
  cut(): void
}

/**
 * Follows every operation on the files of this process and knows what of it a disk would have to
 * remember: bytes after fdatasync or fsync of the file, names after fsync of the folder. What was
 * not finished when the power went is not synced.
 */
export function armPowerCut({ folder, survived, at, scattered, cut }: PowerCut): void {
  fs.mkdirSync(folder, { recursive: true })
  const root = load(folder)
  const opened = new WeakMap<FileHandle, Node>()
  let count = 0
  interceptDisk(folder, async (call, run) => {
    if (++count === at) {
      keep(root, survived, scattered === null ? null : createRandom(scattered))
      cut()
    }
    // What a sync covers was done before it was asked for.
    const covered =
      call.name === 'datasync' || call.name === 'sync' ? coveredBy(call, opened) : null
    const result = await run()
    if (covered) settle(covered.node, covered.count)
    else follow(root, folder, call, opened)
    return result
  })
}

function load(folder: string): FolderNode {
  const names = new Map<string, Node>()
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const below = path.join(folder, entry.name)
    const node = entry.isDirectory()
      ? load(below)
      : { durable: fs.readFileSync(below), pending: [] }
    names.set(entry.name, node)
  }
  return { durable: names, now: new Map(names), pending: [] }
}

function find(root: FolderNode, folder: string, target: string): Node | undefined {
  const names = path.relative(folder, target).split(path.sep).filter(Boolean)
  let node: Node | undefined = root
  for (const name of names) node = isFolder(node) ? node.now.get(name) : undefined
  return node
}

function coveredBy({ handle }: DiskCall, opened: WeakMap<FileHandle, Node>) {
  const node = handle && opened.get(handle)
  if (node === undefined) throw new Error('a sync of what was never opened')
  return { node, count: node.pending.length }
}

function settle(node: Node, count: number): void {
  if (!isFolder(node)) {
    for (const op of node.pending.splice(0, count)) node.durable = written(node.durable, op)
    return
  }
  // An operation on two folders is one: it is taken out of the other as well.
  for (const op of node.pending.slice(0, count)) {
    op.apply()
    for (const each of op.folders) each.pending = each.pending.filter((other) => other !== op)
  }
}

function written(before: Buffer, op: FileOp): Buffer {
  const size = 'size' in op ? op.size : Math.max(before.length, op.at + op.bytes.length)
  const after = Buffer.alloc(size)
  before.copy(after, 0, 0, Math.min(before.length, size))
  if ('bytes' in op) op.bytes.copy(after, op.at)
  return after
}

/** Notes what a call has done that is not durable by itself. */
function follow(
  root: FolderNode,
  folder: string,
  { name, path: target, handle, args }: DiskCall,
  opened: WeakMap<FileHandle, Node>,
): void {
  const node = handle ? opened.get(handle) : undefined
  const file = node && !isFolder(node) ? node : undefined
  if (name === 'open' && handle) opened.set(handle, entered(root, folder, target))
  else if (name === 'mkdir') makeFolders(root, folder, target)
  else if (name === 'writev') {
    const bytes = Buffer.concat(args[0] as Uint8Array[])
    file?.pending.push({ at: args[1] as number, bytes })
  } else if (name === 'writeFile')
    file?.pending.push({ at: 0, bytes: Buffer.from(args[0] as Uint8Array) })
  else if (name === 'truncate') file?.pending.push({ size: args[0] as number })
  else if (name === 'rm') change(root, folder, [target])
  else if (name === 'rename') {
    const to = String(args[1])
    change(root, folder, [target], { to, node: find(root, folder, target) })
  } else if (name === 'link') throw new Error('links are not followed here')
}

/** What an open path stands for; a file that was not there has just been made. */
function entered(root: FolderNode, folder: string, target: string): Node {
  const found = find(root, folder, target)
  if (found) return found
  const made: FileNode = { durable: Buffer.alloc(0), pending: [] }
  change(root, folder, [], { to: target, node: made })
  return made
}

function makeFolders(root: FolderNode, folder: string, target: string): void {
  const names = path.relative(folder, target).split(path.sep).filter(Boolean)
  for (let depth = 1; depth <= names.length; depth++) {
    const to = path.join(folder, ...names.slice(0, depth))
    if (find(root, folder, to)) continue
    const node: FolderNode = { durable: new Map(), now: new Map(), pending: [] }
    change(root, folder, [], { to, node })
  }
}

/** One change of names: what goes, and what comes. */
function change(
  root: FolderNode,
  folder: string,
  gone: readonly string[],
  come?: { to: string; node: Node | undefined },
): void {
  const steps: { parent: FolderNode; name: string; node: Node | undefined }[] = []
  const add = (target: string, node: Node | undefined) => {
    const parent = find(root, folder, path.dirname(target))
    if (!isFolder(parent)) throw new Error(`a name in no folder: ${target}`)
    steps.push({ parent, name: path.basename(target), node })
  }
  for (const target of gone) add(target, undefined)
  if (come?.node) add(come.to, come.node)
  const put = (names: 'now' | 'durable') => {
    for (const { parent, name, node } of steps)
      node === undefined ? parent[names].delete(name) : parent[names].set(name, node)
  }
  put('now')
  const op: NameOp = { folders: steps.map(({ parent }) => parent), apply: () => put('durable') }
  for (const parent of op.folders) if (!parent.pending.includes(op)) parent.pending.push(op)
}

/** Writes what is left after the cut to a folder of its own. */
function keep(node: FolderNode, to: string, random: Random | null): void {
  fs.mkdirSync(to, { recursive: true })
  if (random) for (const op of node.pending) if (random.chance(0.5)) op.apply()
  for (const [name, child] of node.durable) {
    const target = path.join(to, name)
    if (isFolder(child)) keep(child, target, random)
    else fs.writeFileSync(target, random ? scatter(child, random) : child.durable)
  }
}

function scatter({ durable, pending }: FileNode, random: Random): Buffer {
  let content = durable
  for (const op of pending) {
    const fate = random.pick(['gone', 'there', 'only its length'] as const)
    if (fate === 'there') content = written(content, op)
    if (fate === 'only its length' && 'bytes' in op)
      content = written(content, { size: Math.max(content.length, op.at + op.bytes.length) })
  }
  return content
}
