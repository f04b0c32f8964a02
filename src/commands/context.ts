import type { Environment } from '../config.ts'
import type { Output } from './output.ts'

/** What a command gets from its process. */
export interface CommandContext {
  env: Environment
  output: Output
  /** Whether standard error is a terminal. */
  terminal: boolean
}
