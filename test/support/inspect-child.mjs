// Stands in for the inspecting process: `hang` never answers, `crash` dies, `slow` and thumbnails
// take their time.
process.on('message', ({ kind, path, name }) => {
  if (name === 'hang') for (;;);
  if (name === 'crash') process.kill(process.pid, 'SIGSEGV')
  if (name === 'exit') process.exit(3)
  const reply = () =>
    process.send({
      ok: true,
      spent: name === 'spent',
      value: {
        type: 'other',
        mimeType: `pid/${process.pid}`,
        width: null,
        height: null,
        mode: JSON.stringify({ env: process.env, execArgv: process.execArgv, path, name }),
        tooManyPixels: false,
      },
    })
  setTimeout(reply, name === 'slow' ? 150 : kind === 'thumbnail' ? 300 : 0)
})
process.on('disconnect', () => process.exit(0))
