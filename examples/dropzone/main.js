/* global Dropzone, SparkMD5: the scripts before this one set them */
const server = document.getElementById('server')
const token = document.getElementById('token')
const given = new URLSearchParams(location.hash.slice(1))
server.value = given.get('server') ?? 'http://127.0.0.1:8080'
token.value = given.get('token') ?? ''

const door = () => `${server.value}/api/chunked-uploads/`
const authorization = () => ({ Authorization: `Token ${token.value}` })

const dropzone = new Dropzone('#dropzone', {
  url: door,
  chunking: true,
  // Small files go the same way as large ones, so that there is one way only.
  forceChunking: true,
  chunkSize: 2_000_000,
  // Chunks are appended: one after the other, and a lost one again.
  parallelChunkUploads: false,
  retryChunks: true,
  // Its own limit is 256 MiB; the server has one if it wants one.
  maxFilesize: null,

  async chunksUploaded(file, done) {
    try {
      const body = new FormData()
      body.append('upload_id', uploadIdOf(file))
      body.append('md5', await md5Of(file))
      await ask(`${door()}complete`, { method: 'POST', body })
      done()
    } catch (error) {
      file.status = Dropzone.ERROR
      dropzone.emit('error', file, error.message)
      dropzone.emit('complete', file)
    }
  },
})

dropzone.on('sending', (file, xhr, form) => {
  // Dropzone says in form fields where a chunk belongs; the server reads it in a header.
  const start = Number(form.get('dzchunkbyteoffset'))
  const end = Math.min(start + Number(form.get('dzchunksize')), file.size) - 1
  xhr.setRequestHeader('Content-Range', `bytes ${start}-${end}/${file.size}`)
  xhr.setRequestHeader('Authorization', authorization().Authorization)
  // From the second chunk on the server wants to know which upload it belongs to.
  if (start > 0) form.append('upload_id', uploadIdOf(file))
})

dropzone.on('success', async (file) => {
  const upload = await ask(door() + uploadIdOf(file))
  const link = document.createElement('a')
  link.href = upload.file
  link.textContent = upload.filename
  document.getElementById('files').appendChild(document.createElement('li')).append(link)
})

/** The server's name for an upload, from its answer to the first chunk. */
const uploadIdOf = (file) => JSON.parse(file.upload.chunks[0].response).upload_id

async function ask(url, options = {}) {
  const answer = await fetch(url, { ...options, headers: authorization() })
  const json = await answer.json()
  if (!answer.ok) throw new Error(json.detail)
  return json
}

async function md5Of(file) {
  const hash = new SparkMD5.ArrayBuffer()
  const step = 4_000_000
  for (let at = 0; at < file.size; at += step) {
    hash.append(await file.slice(at, at + step).arrayBuffer())
  }
  return hash.end()
}
