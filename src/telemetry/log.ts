import { type Logger, pino, stdTimeFunctions } from 'pino'
import { describeError } from './describe-error.ts'

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]
export const logFormats = ['json', 'pretty'] as const
export type LogFormat = (typeof logFormats)[number]

/** Each takes facts, then a sentence. An error goes under `err`. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>

export interface LogOptions {
  /** Default `info`. */
  level?: LogLevel
  /** Default `json`: one object a line. `pretty`: one readable line for a terminal. */
  format?: LogFormat
  /** Default: standard error, so that standard output stays free for what a script reads. */
  destination?: { write(line: string): unknown }
  /** Whether every line carries the process id, for logs that several processes write. */
  pid?: boolean
}

/** Where a secret would stand if somebody logged headers or a request as they are. */
const SECRETS = ['authorization', 'Authorization', 'cookie', 'token', 'adminToken', 'databaseUrl']

export function createLog(options: LogOptions = {}): Log {
  const destination = options.destination ?? process.stderr
  const pretty = { write: (line: string) => destination.write(toPrettyLine(line)) }
  return pino(
    {
      level: options.level ?? 'info',
      base: options.pid ? { pid: process.pid } : null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: describeError },
      redact: {
        paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[redacted]',
      },
    },
    options.format === 'pretty' ? pretty : destination,
  )
}

/** `21:36:04.512 WARN  what happened  key=value`, and an error's frames on lines of their own. */
export function toPrettyLine(json: string): string {
  const { time, level, msg, err, ...facts } = JSON.parse(json) as Record<string, unknown>
  const at = String(time).slice(11, 23)
  const pairs = Object.entries(facts).map(([key, value]) => `${key}=${toWord(value)}`)
  const line = [`${at} ${String(level).toUpperCase().padEnd(5)} ${toText(msg ?? '')}`, ...pairs]
  return `${line.join('  ')}\n${err === undefined ? '' : toErrorLines(err)}`
}

/** Quoted unless it is one plain word; JSON's escapes keep control characters off a terminal. */
function toWord(value: unknown): string {
  return typeof value === 'string' && /^[\w./:@%+,-]+$/.test(value)
    ? value
    : toText(JSON.stringify(value) ?? '')
}

function toErrorLines(error: unknown): string {
  const { type, message, code, stack, cause } = error as Record<string, unknown>
  const head = `  ${toText(type)}${code === undefined ? '' : ` ${toText(code)}`}: ${toText(message)}\n`
  const frames = stack ? `${toText(stack)}\n` : ''
  return head + frames + (cause === undefined ? '' : `  caused by\n${toErrorLines(cause)}`)
}

/** Leaves line breaks, of which only an error has any, and escapes every other control character. */
function toText(value: unknown): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return String(value).replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
