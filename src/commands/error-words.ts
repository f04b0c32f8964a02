import { describeError, type ErrorDescription } from '../telemetry/describe-error.ts'

/** What went wrong and why, without the stack: the operator did not write this program. */
export function wordsOf(error: unknown): string {
  const words: string[] = []
  for (let at: ErrorDescription | undefined = describeError(error); at; at = at.cause) {
    words.push(at.message || at.code || at.type)
  }
  return words.join(': ')
}
