import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { runToEnd } from './program.ts'

/** On what it was measured; without names of hosts and folders. */
export interface Machine {
  system: string
  processor: string
  cores: number
  memoryGiB: number
  /** Of the folder that the servers stored in. */
  fileSystem: string
  node: string
  /** Processes that wanted to run, over the last minute, before the bench began. */
  loadBefore: number
  commit: string
  date: string
}

export async function describeMachine(dir: string): Promise<Machine> {
  const line = (command: string, args: string[]) =>
    runToEnd(command, args).then(
      (text) => text.trim(),
      () => 'unknown',
    )
  const [distribution, fileSystem, commit, changes] = await Promise.all([
    readFile('/etc/os-release', 'utf8').catch(() => ''),
    line('df', ['--output=fstype', dir]),
    line('git', ['rev-parse', '--short', 'HEAD']),
    line('git', ['status', '--porcelain', 'src']),
  ])
  const [, name = type()] = /^PRETTY_NAME="?([^"\n]*)/m.exec(distribution) ?? []
  return {
    system: `${name}, ${type()} ${release()}`,
    processor: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    fileSystem: fileSystem.split('\n').at(-1) ?? 'unknown',
    node: process.version,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    commit: changes === '' ? commit : `${commit} and changes that are not committed`,
    date: new Date().toISOString().slice(0, 10),
  }
}
