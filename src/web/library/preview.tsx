import { useEffect, useState } from 'preact/hooks'
import type { MediaFile } from '../../client/client.ts'
import { formatBytes } from '../format.ts'
import { useVisit } from '../parts/app.ts'
import { Icon, typeIcon } from '../parts/icons.tsx'
import { hereUrl } from './links.ts'

/** Bytes of a text that are shown, and of a PDF that is. */
const TEXT_BYTES = 64 * 1024
const PDF_BYTES = 64 * 1024 * 1024
/** From here on an image is shown smaller than it is; the original is one click away. */
const IMAGE_BYTES = 2 * 1024 * 1024

interface PreviewProps {
  file: MediaFile
  /** Where its bytes are, for whoever asks. */
  link: string
}

/** The content of a file, as far as a browser can show it. */
export function Preview({ file, link }: PreviewProps) {
  switch (file.type) {
    case 'image':
      return <ImagePreview file={file} link={link} />
    case 'video':
    case 'audio':
      return <Player file={file} link={link} />
    case 'pdf':
      return <PdfPreview file={file} link={link} />
    case 'text':
      return <TextPreview file={file} link={link} />
    default:
      return <NoPreview file={file} words="There is no preview of files of this type." />
  }
}

function NoPreview({ file, words }: { file: MediaFile; words: string }) {
  return (
    <div class="no-preview">
      <Icon name={typeIcon(file.type)} size={64} />
      <p>{words}</p>
    </div>
  )
}

const animated = new Set(['image/gif', 'image/apng'])

function ImagePreview({ file, link }: PreviewProps) {
  const { thumbnails } = useVisit()
  const [url, setUrl] = useState<string | null>(null)
  const [trouble, setTrouble] = useState(false)
  useEffect(() => {
    const gone = new AbortController()
    const original = () => setUrl(hereUrl(link))
    if (file.size <= IMAGE_BYTES || animated.has(file.mime_type)) original()
    else {
      thumbnails.get(file.id, 1280, gone.signal).then(
        (found) => (found === null ? original() : setUrl(found)),
        () => gone.signal.aborted || original(),
      )
    }
    return () => gone.abort()
  }, [file.id, link, thumbnails])
  const otherwise = () => {
    if (url?.startsWith('blob:')) return setTrouble(true)
    thumbnails.get(file.id, 1280, new AbortController().signal).then(
      (found) => (found === null ? setTrouble(true) : setUrl(found)),
      () => setTrouble(true),
    )
  }
  if (trouble) return <NoPreview file={file} words="This image cannot be shown here." />
  if (url === null) return <Waiting />
  return <img class="picture" src={url} alt={file.description || file.name} onError={otherwise} />
}

function Player({ file, link }: PreviewProps) {
  const [trouble, setTrouble] = useState(false)
  if (trouble) {
    return <NoPreview file={file} words="The browser cannot play this. Download it to play it." />
  }
  const shared = {
    src: hereUrl(link),
    controls: true,
    preload: 'metadata',
    'aria-label': file.name,
    onError: () => setTrouble(true),
  } as const
  return file.type === 'video' ? <video {...shared} /> : <audio {...shared} />
}

function PdfPreview({ file, link }: PreviewProps) {
  const shows = navigator.pdfViewerEnabled && file.size <= PDF_BYTES
  const { blob, trouble } = useBytes(link, shows)
  const [url, setUrl] = useState<string | null>(null)
  useEffect(() => {
    if (blob === null) return
    // The type is ours: whatever is in the file, nothing of it runs as a page of this server.
    const made = URL.createObjectURL(new Blob([blob], { type: 'application/pdf' }))
    setUrl(made)
    return () => URL.revokeObjectURL(made)
  }, [blob])
  if (!shows) return <NoPreview file={file} words="This browser shows no PDF here: download it." />
  if (trouble !== null) return <NoPreview file={file} words={trouble} />
  if (url === null) return <Waiting />
  return <iframe src={url} title={file.name} />
}

function TextPreview({ file, link }: PreviewProps) {
  const { blob, trouble } = useBytes(link, file.size > 0, TEXT_BYTES)
  const [text, setText] = useState<string | null>(null)
  useEffect(() => {
    blob
      ?.slice(0, TEXT_BYTES)
      .arrayBuffer()
      .then((bytes) => setText(decode(bytes)))
  }, [blob])
  if (file.size === 0) return <NoPreview file={file} words="This file is empty." />
  if (trouble !== null) return <NoPreview file={file} words={trouble} />
  if (text === null) return <Waiting />
  return (
    <section class="text-preview" aria-label={`Text of ${file.name}`}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keys scroll it */}
      <pre tabIndex={0}>{text}</pre>
      {file.size > TEXT_BYTES && (
        <p class="hint">
          The first {formatBytes(TEXT_BYTES)} of {formatBytes(file.size)}.
        </p>
      )}
    </section>
  )
}

function Waiting() {
  return <p class="no-preview">One moment…</p>
}

/** UTF-16 has its mark; everything else that is text is read as UTF-8. */
function decode(bytes: ArrayBuffer): string {
  const [first, second] = new Uint8Array(bytes)
  const wide = first === 0xff && second === 0xfe ? 'utf-16le' : 'utf-16be'
  const marked = wide === 'utf-16le' || (first === 0xfe && second === 0xff)
  return new TextDecoder(marked ? wide : 'utf-8').decode(bytes)
}

/** The bytes of a file, or the first of them. */
function useBytes(link: string, wanted: boolean, first?: number) {
  const [state, setState] = useState<{ blob: Blob | null; trouble: string | null }>({
    blob: null,
    trouble: null,
  })
  useEffect(() => {
    setState({ blob: null, trouble: null })
    if (!wanted) return
    const gone = new AbortController()
    const headers: HeadersInit = first === undefined ? {} : { Range: `bytes=0-${first - 1}` }
    fetch(hereUrl(link), { signal: gone.signal, headers })
      .then(async (answer) => {
        if (!answer.ok) throw new Error(`status ${answer.status}`)
        setState({ blob: await answer.blob(), trouble: null })
      })
      .catch(() => {
        if (gone.signal.aborted) return
        setState({
          blob: null,
          trouble: 'The file could not be loaded. Try again, or download it.',
        })
      })
    return () => gone.abort()
  }, [link, wanted, first])
  return state
}
