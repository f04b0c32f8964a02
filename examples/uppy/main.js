import Uppy from '@uppy/core'
import '@uppy/core/css/style.min.css'
import Dashboard from '@uppy/dashboard'
import '@uppy/dashboard/css/style.min.css'
import GoldenRetriever from '@uppy/golden-retriever'
import Tus from '@uppy/tus'

const server = document.querySelector('#server')
const token = document.querySelector('#token')
const given = new URLSearchParams(location.hash.slice(1))
server.value = given.get('server') ?? 'http://127.0.0.1:8080'
token.value = given.get('token') ?? ''

const endpoint = () => `${server.value}/files/`

const uppy = new Uppy({ id: 'landfall-example' })
  .use(Dashboard, { target: '#dashboard', inline: true })
  .use(Tus, {
    endpoint: endpoint(),
    headers: () => ({ Authorization: `Token ${token.value}` }),
    // A lost network: tries again for about a minute, then the Dashboard offers a button.
    retryDelays: [0, 1000, 3000, 5000, 10_000, 20_000, 20_000],
    // Choosing the same file again after it has arrived is a new upload.
    removeFingerprintOnSuccess: true,
  })
  // After a reload it brings back the list of files, and the bytes of those of up to 10 MB. Larger
  // ones have to be chosen again; either way the upload goes on where it was.
  .use(GoldenRetriever)

server.addEventListener('change', () => uppy.getPlugin('Tus').setOptions({ endpoint: endpoint() }))

uppy.on('upload-success', (file, { body }) => {
  const link = document.createElement('a')
  link.href = body.xhr.getResponseHeader('Landfall-Media-Url')
  link.textContent = file.name
  document.querySelector('#files').appendChild(document.createElement('li')).append(link)
})
