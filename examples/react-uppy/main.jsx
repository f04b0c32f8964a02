import Uppy from '@uppy/core'
import {
  UppyContextProvider,
  useDropzone,
  useFileInput,
  useUppyEvent,
  useUppyState,
} from '@uppy/react'
import Tus from '@uppy/tus'
import { useCallback, useState } from 'react'
import { createRoot } from 'react-dom/client'

const given = new URLSearchParams(location.hash.slice(1))
const server = given.get('server') ?? 'http://127.0.0.1:8080'
const token = given.get('token') ?? ''

// One for the life of the page, outside of every component.
const uppy = new Uppy({ autoProceed: true }).use(Tus, {
  endpoint: `${server}/files/`,
  headers: { Authorization: `Token ${token}` },
  // A lost network: tries again for about a minute.
  retryDelays: [0, 1000, 3000, 5000, 10_000, 20_000, 20_000],
  // Choosing the same file again after it has arrived is a new upload.
  removeFingerprintOnSuccess: true,
})

const takesMany = { multiple: true }

function App() {
  return (
    <UppyContextProvider uppy={uppy}>
      <Chooser />
      <Uploads />
    </UppyContextProvider>
  )
}

function Chooser() {
  const { getRootProps } = useDropzone({ noClick: true })
  const { getInputProps, getButtonProps } = useFileInput(takesMany)
  return (
    <section {...getRootProps()} aria-label="Files">
      <input {...getInputProps()} hidden />
      <button {...getButtonProps()}>Choose files</button> or drop them here.
    </section>
  )
}

function Uploads() {
  const files = useUppyState(uppy, (state) => state.files)
  const [urls, setUrls] = useState({})
  // The answer to the last byte says where the file is.
  const onSuccess = useCallback((file, { body }) => {
    const url = body.xhr.getResponseHeader('Landfall-Media-Url')
    setUrls((before) => ({ ...before, [file.id]: url }))
  }, [])
  useUppyEvent(uppy, 'upload-success', onSuccess)
  return (
    <ul>
      {Object.values(files).map((file) => (
        <li key={file.id}>
          {urls[file.id] ? <a href={urls[file.id]}>{file.name}</a> : <Running file={file} />}
        </li>
      ))}
    </ul>
  )
}

function Running({ file }) {
  const { progress, isPaused, error } = file
  const label = `Progress of ${file.name}`
  return (
    <>
      {file.name} <progress aria-label={label} value={progress.percentage ?? 0} max={100} />{' '}
      {error ? (
        <button type="button" onClick={() => uppy.retryUpload(file.id)}>
          Try again
        </button>
      ) : (
        <button type="button" onClick={() => uppy.pauseResume(file.id)}>
          {isPaused ? 'Resume' : 'Pause'}
        </button>
      )}
    </>
  )
}

createRoot(document.getElementById('root')).render(<App />)
