// Stands in for the inspecting process: `hang` never answers, `crash` dies, `slow` and thumbnails
// take their time, `null` answers nonsense, `asks` wants bytes from odd places and tells how many
// it was given.
const wanted = [
  { read: 1, start: -1, length: 1 },
  { read: 2, start: 0n, length: 1n },
  { read: 3, start: 'a', length: null },
  { read: 4, start: 0, length: 1 },
]
const given = []

const answer = (spent, mode) =>
  process.send({
    ok: true,
    spent,
    value: {
      type: 'other',
      mimeType: `pid/${process.pid}`,
      width: null,
      height: null,
      mode,
      tooManyPixels: false,
    },
  })

process.on('message', ({ kind, path, name, read, bytes }) => {
  if (read !== undefined) {
    given.push([read, bytes.length])
    given.sort(([a], [b]) => a - b)
    if (given.length === wanted.length) answer(false, String(given.map(([, length]) => length)))
    return
  }
  if (name === 'hang') for (;;);
  if (name === 'crash') process.kill(process.pid, 'SIGSEGV')
  if (name === 'exit') process.exit(3)
  if (name === 'null') return process.send(null)
  if (name === 'asks') for (const each of wanted) process.send(each)
  if (name === 'asks') return
  const reply = () =>
    answer(
      name === 'spent',
      JSON.stringify({ env: process.env, execArgv: process.execArgv, path, name }),
    )
  setTimeout(reply, name === 'slow' ? 150 : kind === 'thumbnail' ? 300 : 0)
})
process.on('disconnect', () => process.exit(0))
process.send({ awake: true })
