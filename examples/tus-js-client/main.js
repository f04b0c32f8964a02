/* global tus: the file dist/tus.min.js of tus-js-client sets it */
const [server, token, file, pause, progress, status] = [
  'server',
  'token',
  'file',
  'pause',
  'progress',
  'status',
].map((id) => document.getElementById(id))
const given = new URLSearchParams(location.hash.slice(1))
server.value = given.get('server') ?? 'http://127.0.0.1:8080'
token.value = given.get('token') ?? ''

let upload = null
let running = false

function show(text) {
  running = text === 'Uploading'
  pause.disabled = upload === null
  pause.textContent = running ? 'Pause' : 'Resume'
  status.textContent = text
}

file.addEventListener('change', async () => {
  const [chosen] = file.files
  upload = new tus.Upload(chosen, {
    endpoint: `${server.value}/files/`,
    headers: { Authorization: `Token ${token.value}` },
    metadata: { filename: chosen.name, filetype: chosen.type },
    retryDelays: [0, 1000, 3000, 5000],
    removeFingerprintOnSuccess: true,
    onProgress(sent, total) {
      progress.value = sent / total
    },
    onError(error) {
      show(error.message)
    },
    onSuccess({ lastResponse }) {
      upload = null
      show('Done: ')
      const link = document.createElement('a')
      link.href = lastResponse.getHeader('Landfall-Media-Url')
      link.textContent = chosen.name
      status.append(link)
    },
  })
  // The same file chosen before, perhaps in an earlier life of this page: the browser remembers.
  const [earlier] = await upload.findPreviousUploads()
  if (earlier) upload.resumeFromPreviousUpload(earlier)
  show('Uploading')
  upload.start()
})

pause.addEventListener('click', async () => {
  if (running) {
    // Ends the request; what has arrived stays on the server.
    await upload.abort()
    show('Paused')
  } else {
    // Asks the server how far it is, and goes on there.
    show('Uploading')
    upload.start()
  }
})
