import { useEffect, useState } from 'preact/hooks'
import { LandfallError, type MediaFile } from '../../client/client.ts'
import { formatTime } from '../format.ts'
import { useApp, useVisit } from '../parts/app.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icons.tsx'
import { useShortcuts } from '../parts/shortcuts.ts'
import { sentence } from '../words.ts'
import { EditFields } from './edit-fields.tsx'
import type { Library } from './library.ts'
import {
  copyLinks,
  copyWithWord,
  curlOf,
  downloadUrl,
  hereUrl,
  type Link,
  linkOf,
} from './links.ts'
import { Preview } from './preview.tsx'

interface DetailProps {
  id: number
  /** Those among which one goes forth and back. */
  files: readonly MediaFile[]
  library: Library
}

/** One file, large: what is in it, what is known of it, and what can be done with it. */
export function Detail({ id, files, library }: DetailProps) {
  const { places, toasts } = useApp()
  const { client, deletion } = useVisit()
  const { file, trouble } = useFile(id, files)
  const link = useLink(file)
  const at = files.findIndex((each) => each.id === id)
  const beside = (step: 1 | -1) => (at < 0 ? undefined : files[at + step])
  const go = (to: MediaFile | undefined) => to && places.go({ file: to.id }, 'replace')
  const close = places.closeFile
  const remove = () => {
    close()
    if (file) deletion.remove([file])
  }
  useShortcuts(
    {
      ArrowLeft: () => go(beside(-1)) ?? false,
      ArrowRight: () => go(beside(1)) ?? false,
      c: () => file && copyLinks([file], client, toasts),
      Delete: remove,
    },
    true,
  )
  return (
    <Dialog
      title={file?.name || `File ${id}`}
      kind="large"
      onClose={close}
      tools={<Beside before={beside(-1)} after={beside(1)} onGo={go} />}
    >
      {trouble !== null && (
        <p class="no-preview" role="alert">
          {trouble}
        </p>
      )}
      {file && (
        <div class="detail">
          <div class="preview">{link && <Preview file={file} link={link.url} key={file.id} />}</div>
          <aside class="facts" aria-label="About this file">
            <Actions file={file} link={link?.url ?? null} onDelete={remove} />
            <EditFields file={file} key={file.id} onChanged={library.replace} />
            <Facts file={file} />
          </aside>
        </div>
      )}
    </Dialog>
  )
}

function Beside(props: {
  before: MediaFile | undefined
  after: MediaFile | undefined
  onGo: (file: MediaFile | undefined) => void
}) {
  const { before, after, onGo } = props
  return (
    <>
      <button
        type="button"
        class="icon-button"
        aria-label="The file before"
        disabled={before === undefined}
        onClick={() => onGo(before)}
      >
        <Icon name="left" />
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label="The next file"
        disabled={after === undefined}
        onClick={() => onGo(after)}
      >
        <Icon name="right" />
      </button>
    </>
  )
}

interface ActionsProps {
  file: MediaFile
  /** Null while it is not known: the URL of the record may be one that opens for nobody. */
  link: string | null
  onDelete: () => void
}

function Actions({ file, link, onDelete }: ActionsProps) {
  const { toasts } = useApp()
  const { client } = useVisit()
  return (
    <div class="detail-actions">
      {/* Without `href` it is no link, and takes no focus. */}
      <a
        class="button primary"
        href={link === null ? undefined : downloadUrl(link)}
        download={file.name}
        aria-disabled={link === null}
      >
        <Icon name="download" /> Download
      </a>
      <a
        class="button"
        href={link === null ? undefined : hereUrl(link)}
        target="_blank"
        rel="noreferrer"
        aria-disabled={link === null}
      >
        Open
      </a>
      <button type="button" class="button" onClick={() => copyLinks([file], client, toasts)}>
        <Icon name="link" /> Copy link
      </button>
      <button
        type="button"
        class="button"
        disabled={link === null}
        onClick={() => link && copyWithWord(curlOf(link, file.name), 'Command copied.', toasts)}
      >
        <Icon name="terminal" /> Copy curl
      </button>
      <button type="button" class="button danger" onClick={onDelete}>
        <Icon name="trash" /> Delete
      </button>
    </div>
  )
}

function Facts({ file }: { file: MediaFile }) {
  const { places } = useApp()
  const { user } = file
  const rows: [string, string][] = [
    ['Type', `${file.type}, ${file.mime_type}`],
    ['Size', `${file.human_readable_size} (${file.size.toLocaleString('en')} bytes)`],
    ...(file.width && file.height
      ? [
          ['Pixels', `${file.width} × ${file.height}${file.mode ? `, ${file.mode}` : ''}`] as [
            string,
            string,
          ],
        ]
      : []),
    ['Added', formatTime(file.created_at)],
    ['Changed', formatTime(file.updated_at)],
    ['Id', String(file.id)],
    ...(file.digest ? [['Digest', file.digest] as [string, string]] : []),
  ]
  return (
    <dl class="fact-list">
      <div>
        <dt>Uploaded by</dt>
        <dd>
          {user ? (
            <button
              type="button"
              class="as-link"
              title="Show all files of this user"
              onClick={() => places.go({ file: null, query: { user_id: String(user.id) } })}
            >
              {user.full_name}
            </button>
          ) : (
            'nobody known'
          )}
        </dd>
      </div>
      {rows.map(([term, value]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** A way to the bytes that needs no token, which `img` and `video` cannot send. */
function useLink(file: MediaFile | null): Link | null {
  const { client } = useVisit()
  const [link, setLink] = useState<(Link & { id: number }) | null>(null)
  const id = file?.id
  useEffect(() => {
    if (!file) return
    let wanted = true
    const otherwise = () => ({ url: file.f, endsAt: null })
    linkOf(client, file)
      .catch(otherwise)
      .then((found) => wanted && setLink({ ...found, id: file.id }))
    return () => {
      wanted = false
    }
  }, [id, client])
  return link?.id === id ? link : null
}

/** The file of the list, or asked for where it is not in it, as after a reload. */
function useFile(id: number, files: readonly MediaFile[]) {
  const { client } = useVisit()
  const listed = files.find((file) => file.id === id)
  const [asked, setAsked] = useState<MediaFile | null>(null)
  const [trouble, setTrouble] = useState<string | null>(null)
  const missing = listed === undefined
  useEffect(() => {
    setTrouble(null)
    if (!missing) return
    const gone = new AbortController()
    client.files.get(id, { signal: gone.signal }).then(setAsked, (error) => {
      if (gone.signal.aborted) return
      const away = error instanceof LandfallError && error.status === 404
      setAsked(null)
      setTrouble(away ? 'This file was deleted.' : sentence(error))
    })
    return () => gone.abort()
  }, [id, missing, client])
  return { file: listed ?? (asked?.id === id ? asked : null), trouble: listed ? null : trouble }
}
