/** What the exit code of `landfall` says. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, configuration: 78 } as const

/** A command that ends badly for a known reason: the message goes to standard error as it is. */
export class CommandFailure extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message)
    this.name = 'CommandFailure'
    this.exitCode = exitCode
  }
}
