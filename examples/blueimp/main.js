/* global $, SparkMD5: the scripts before this one set them */
const given = new URLSearchParams(location.hash.slice(1))
$('#server').val(given.get('server') ?? 'http://127.0.0.1:8080')
$('#token').val(given.get('token') ?? '')

const door = () => `${$('#server').val()}/api/chunked-uploads/`
const headers = () => ({ Authorization: `Token ${$('#token').val()}` })

/** Where the browser remembers the server's name for an upload, also over a reload of the page. */
const keyOf = ({ name, size, lastModified }) => `upload ${name} ${size} ${lastModified}`
const uploadIdOf = (data) => localStorage.getItem(keyOf(data.files[0]))

$('#choose').fileupload({
  dataType: 'json',
  paramName: 'file',
  maxChunkSize: 2_000_000,

  add(_event, data) {
    const [file] = data.files
    const resume = $('<button>Resume</button>').on('click', () => send(data))
    data.context = $('<li>').text(`${file.name} `).append('<progress>', '<output>', resume)
    $('#files').append(data.context)
    data.digest = md5Of(file)
    send(data)
  },

  // From the second chunk on the server wants to know which upload it belongs to.
  chunkbeforesend(_event, data) {
    const uploadId = uploadIdOf(data)
    data.formData = uploadId ? { upload_id: uploadId } : {}
  },
  chunkdone(_event, data) {
    localStorage.setItem(keyOf(data.files[0]), data.result.upload_id)
  },

  progress(_event, data) {
    data.context.find('progress').val(data.loaded / data.total)
  },
  done(_event, data) {
    // A file of one chunk comes here without `chunkdone`.
    localStorage.setItem(keyOf(data.files[0]), data.result.upload_id)
    complete(data)
  },
  fail(_event, data) {
    show(data, data.jqXHR.responseJSON?.detail ?? 'Interrupted')
  },
})

/** Sends what the server has not got yet. */
async function send(data) {
  show(data, 'Uploading')
  data.url = door()
  data.headers = headers()
  // What an earlier attempt has prepared.
  data.data = null
  data.uploadedBytes = 0
  try {
    const uploadId = uploadIdOf(data)
    if (uploadId) {
      const { offset, status } = await $.get({ url: door() + uploadId, headers: headers() })
      if (status === 2) return finished(data, uploadId)
      data.uploadedBytes = offset
    }
  } catch ({ status }) {
    // Offline: later. Otherwise the server has forgotten it, and it begins anew.
    if (status !== 404 && status !== 410) return show(data, 'Interrupted')
    localStorage.removeItem(keyOf(data.files[0]))
  }
  if (data.uploadedBytes === data.files[0].size) complete(data)
  else data.submit()
}

/** All bytes are there: their digest makes the upload a file. */
async function complete(data) {
  const uploadId = uploadIdOf(data)
  show(data, 'Verifying')
  try {
    const fields = { upload_id: uploadId, md5: await data.digest }
    await $.post({ url: `${door()}complete`, headers: headers(), data: fields })
    await finished(data, uploadId)
  } catch ({ responseJSON }) {
    show(data, responseJSON?.detail ?? 'Interrupted')
  }
}

async function finished(data, uploadId) {
  const { file, filename } = await $.get({ url: door() + uploadId, headers: headers() })
  // Choosing the same file again is a new upload.
  localStorage.removeItem(keyOf(data.files[0]))
  data.context.empty().append($('<a>').attr('href', file).text(filename))
}

function show(data, text) {
  data.context.find('output').text(text)
  data.context.find('button').prop('disabled', text === 'Uploading' || text === 'Verifying')
}

async function md5Of(file) {
  const hash = new SparkMD5.ArrayBuffer()
  const step = 4_000_000
  for (let at = 0; at < file.size; at += step) {
    hash.append(await file.slice(at, at + step).arrayBuffer())
  }
  return hash.end()
}
