import { DrizzleQueryError } from 'drizzle-orm/errors'
import { describe, expect, it } from 'vitest'
import { createLog, type LogOptions } from '../../../src/telemetry/log.ts'

function logTo(options: LogOptions = {}) {
  const lines: string[] = []
  const log = createLog({ ...options, destination: { write: (line) => lines.push(line) } })
  return { log, lines }
}

const failed = new DrizzleQueryError(
  'insert into uploads (metadata) values ($1)',
  ['filename c2VjcmV0'],
  Object.assign(new Error('connection lost'), {
    code: '57P01',
    detail: 'Key (metadata)=(filename c2VjcmV0)',
  }),
)

describe('the log', () => {
  it('writes one JSON object a line with an ISO time and the name of the level', () => {
    const { log, lines } = logTo()
    log.info({ port: 8080 }, 'serving')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      port: 8080,
      msg: 'serving',
    })
  })

  it('leaves out what is below its level', () => {
    const { log, lines } = logTo({ level: 'warn' })
    log.info({}, 'quiet')
    log.warn({}, 'loud')
    expect(lines).toHaveLength(1)
  })

  it.each(['json', 'pretty'] as const)(
    'keeps a failed statement without its values (%s)',
    (format) => {
      const { log, lines } = logTo({ format })
      log.error({ err: failed }, 'unexpected')
      const text = lines.join('')
      expect(text).toContain('insert into uploads (metadata) values ($1)')
      expect(text).toContain('connection lost')
      expect(text).toContain('57P01')
      expect(text).toContain('log.test.ts')
      expect(text).not.toContain('c2VjcmV0')
    },
  )

  it('takes secrets out of what is logged as it is', () => {
    const { log, lines } = logTo()
    log.info({ headers: { authorization: 'Token hunter2' }, token: 'hunter2' }, 'careless')
    log.info({ req: { headers: { authorization: 'Token hunter2' } } }, 'careless')
    expect(lines.join('')).toContain('[redacted]')
    expect(lines.join('')).not.toContain('hunter2')
  })

  it('writes a readable line for a terminal, and no control character of a stranger', () => {
    const { log, lines } = logTo({ format: 'pretty' })
    log.warn({ path: '/files/', who: 'a b', evil: '\u001b[2J\n' }, 'odd \u001b[31m')
    expect(lines.join('')).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}odd \\x1b\[31m {2}path=\/files\/ {2}who="a b" {2}evil="\\u001b\[2J\\n"\n$/,
    )
  })

  it('survives an error that is its own cause and a thrown text', () => {
    const { log, lines } = logTo()
    const circular = new Error('round')
    circular.cause = circular
    log.error({ err: circular }, 'a')
    log.error({ err: 'just text' }, 'b')
    expect(lines).toHaveLength(2)
  })
})
