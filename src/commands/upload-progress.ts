import { formatSize } from '../wire/size.ts'
import { type Output, printable } from './output.ts'
import type { LocalFile } from './upload-files.ts'

/** What is seen while files are uploaded. */
export interface Progress {
  begin(file: LocalFile): void
  /** @param resumedFrom bytes that were there before, which tell nothing of the speed. */
  sent(file: LocalFile, bytes: number, resumedFrom: number): void
  /** @param words what became of it. */
  end(file: LocalFile, words: string): void
  /** Clears away what moves. */
  stop(): void
}

/** Milliseconds between two looks: bars on a terminal, a line in a log. */
const EVERY_MS = { terminal: 100, log: 10_000 }
const BAR_WIDTH = 24
const DEFAULT_COLUMNS = 80

/** Speed over the last seconds, by what was counted in them. */
export function createMeter(now: () => number, windowMs = 8_000) {
  let samples: { at: number; bytes: number }[] = [{ at: now(), bytes: 0 }]
  let counted = 0
  return {
    add(bytes: number): void {
      counted += bytes
      const at = now()
      samples.push({ at, bytes: counted })
      const first = samples.findIndex((sample) => at - sample.at <= windowMs)
      // One that is older stays, so that there is something to measure from.
      if (first > 1) samples = samples.slice(first - 1)
    },
    /** Bytes a second. */
    speed(): number {
      const [first] = samples
      const ms = now() - (first?.at ?? 0)
      return ms <= 0 ? 0 : ((counted - (first?.bytes ?? 0)) * 1000) / ms
    },
  }
}

interface Row {
  file: LocalFile
  bytes: number
  meter: ReturnType<typeof createMeter>
}

interface ProgressDeps {
  output: Output
  /** Whether bars can be drawn. */
  terminal: boolean
  files: readonly LocalFile[]
  now?: () => number
}

export function createProgress({
  output,
  terminal,
  files,
  now = () => performance.now(),
}: ProgressDeps): Progress {
  const total = files.reduce((sum, { size }) => sum + size, 0)
  const meter = createMeter(now)
  const rows = new Map<LocalFile, Row>()
  let [ended, endedBytes, drawn] = [0, 0, 0]
  const draw = terminal ? output.draw : undefined

  const timer = setInterval(look, EVERY_MS[draw ? 'terminal' : 'log'])
  timer.unref()

  function look(): void {
    if (draw === undefined) {
      if (rows.size > 0) output.note(overall())
      return
    }
    const width = (output.columns?.() ?? DEFAULT_COLUMNS) - 1
    const lines = [...rows.values()].map((row) => lineOf(row, width))
    lines.push(overall().slice(0, width))
    draw(`${clear()}${lines.join('\n')}\n`)
    drawn = lines.length
  }

  /** Up to where the moving lines begin, and all of them away. */
  function clear(): string {
    const text = drawn > 0 ? `\x1b[${drawn}A\x1b[J` : ''
    drawn = 0
    return text
  }

  function overall(): string {
    const moving = [...rows.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    const done = endedBytes + moving
    const counted = `${ended} of ${files.length} files`
    return `${counted}, ${figures(done, total, meter.speed())}`
  }

  function lineOf({ file, bytes, meter: own }: Row, width: number): string {
    const share = file.size === 0 ? 1 : bytes / file.size
    const full = Math.round(share * BAR_WIDTH)
    const bar = `[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}]`
    const right = `${bar} ${figures(bytes, file.size, own.speed())}`
    const room = Math.max(8, width - right.length - 1)
    return `${fitted(printable(file.shown), room)} ${right}`.slice(0, width)
  }

  return {
    begin(file) {
      rows.set(file, { file, bytes: 0, meter: createMeter(now) })
    },
    sent(file, bytes, resumedFrom) {
      const row = rows.get(file)
      if (row === undefined) return
      // After a cut it begins again at what the server has, which may be less.
      const fresh = Math.max(0, bytes - Math.max(row.bytes, resumedFrom))
      row.meter.add(fresh)
      meter.add(fresh)
      row.bytes = bytes
    },
    end(file, words) {
      rows.delete(file)
      ended += 1
      endedBytes += file.size
      if (draw) draw(clear())
      // The bars come back with the next look: what else is to be said now has its place above them.
      output.note(`${printable(file.shown)}: ${printable(words)}`)
    },
    stop() {
      clearInterval(timer)
      if (draw) draw(clear())
    },
  }
}

/** `45%, 12.3 MB/s, 1:20 left` */
function figures(done: number, of: number, speed: number): string {
  const percent = of === 0 ? 100 : Math.floor((done / of) * 100)
  const left = speed > 0 ? `${formatDuration((of - done) / speed)} left` : '--:-- left'
  return `${String(percent).padStart(3)}%, ${formatSize(Math.round(speed))}/s, ${left}`
}

/** Seconds as `m:ss`, or `h:mm:ss`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** The end of a long path says more than its beginning. */
function fitted(text: string, width: number): string {
  const letters = [...text]
  if (letters.length <= width) return text + ' '.repeat(width - letters.length)
  return `…${letters.slice(letters.length - width + 1).join('')}`
}
