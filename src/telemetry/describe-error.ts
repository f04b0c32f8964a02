/** What the log keeps of an error: never the values that a statement was given. */
export interface ErrorDescription {
  type: string
  message: string
  code?: string
  stack?: string
  cause?: ErrorDescription
}

/** Causes followed; an error that is its own cause must not hang the log. */
const MAX_DEPTH = 5

/**
 * An error for the log. Drizzle puts the parameters of a failed statement (file names, metadata,
 * token hashes) into its message and so into the stack, and Postgres repeats values in `detail`: the
 * statement is kept, the values are not. Other properties of the error are left out for the same
 * reason.
 */
export function describeError(error: unknown, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: cut(String(error)) }
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    message: cut(messageOf(error)),
    ...(typeof code === 'string' ? { code } : {}),
    ...(error.stack === undefined ? {} : { stack: framesOf(error.stack) }),
    ...(error.cause === undefined || depth >= MAX_DEPTH
      ? {}
      : { cause: describeError(error.cause, depth + 1) }),
  }
}

function messageOf(error: Error): string {
  const { query } = error as { query?: unknown }
  return 'params' in error && typeof query === 'string' ? `Failed query: ${query}` : error.message
}

/** The lines that say where; those before them repeat the message. */
function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n')
}

function cut(text: string): string {
  return text.length > 2000 ? `${text.slice(0, 2000)}…` : text
}
