import { useEffect, useState } from 'preact/hooks'
import type { Session, SessionFile } from '../../client/client.ts'
import { count, formatBytes, formatTime } from '../format.ts'
import { useApp, useVisit } from '../parts/app.ts'
import { Icon } from '../parts/icons.tsx'
import { useAction } from '../parts/use-action.ts'
import { useSelected } from '../state/store.ts'
import { ChooseButtons, DropZone } from '../upload/drop-zone.tsx'
import { UploadPanel } from '../upload/panel.tsx'

const statusWords: Readonly<Record<Session['status'], string>> = {
  created: 'empty',
  uploading: 'open',
  stored: 'submitted',
  expired: 'expired',
}

/** The upload sessions of whoever looks: files of one form, submitted together. */
export function Sessions() {
  const { client } = useVisit()
  const [sessions, setSessions] = useState<readonly Session[] | null>(null)
  const [chosen, setChosen] = useState<string | null>(null)
  const load = useAction(async () => setSessions(await client.sessions.list()))
  const create = useAction(async () => {
    const { uploadSessionToken } = await client.sessions.create()
    setChosen(uploadSessionToken)
    await load()
  })
  useEffect(() => void load(), [client])
  const open = sessions?.find(({ uploadSessionToken }) => uploadSessionToken === chosen)
  return (
    <>
      <div class="toolbar-line page-head">
        <h1>Upload sessions</h1>
        <span class="space" />
        <button type="button" class="button primary" onClick={create}>
          New session
        </button>
      </div>
      <p class="hint">
        A session gathers the files of one form. They become media files together when it is
        submitted; one that is left alone expires.
      </p>
      {sessions?.length === 0 && <p class="panel empty">You have no upload sessions.</p>}
      {sessions !== null && sessions.length > 0 && (
        <ul class="panel lines" aria-label="Upload sessions">
          {sessions.map((session) => {
            const { uploadSessionToken: token, status, fileCount, totalSize } = session
            return (
              <li key={token}>
                <button
                  type="button"
                  class="line"
                  aria-expanded={token === chosen}
                  onClick={() => setChosen(token === chosen ? null : token)}
                >
                  <span class={`badge ${status}`}>{statusWords[status]}</span>
                  <span class="grow">
                    {count(fileCount, 'file')}, {formatBytes(totalSize)}
                    <span class="dim"> · begun {formatTime(session.created)}</span>
                  </span>
                  <code class="dim">{token.slice(0, 8)}…</code>
                </button>
              </li>
            )
          })}
        </ul>
      )}
      {!takes(open) && <DropZone refusal="Make a session first, or open one that takes files." />}
      {open && <OpenSession key={open.uploadSessionToken} session={open} onChanged={load} />}
    </>
  )
}

/** Whether files can be put into it. */
function takes(session: Session | undefined): boolean {
  return session?.status === 'created' || session?.status === 'uploading'
}

function OpenSession({ session, onChanged }: { session: Session; onChanged: () => void }) {
  const { queue, toasts } = useApp()
  const { client } = useVisit()
  const { uploadSessionToken: token, expires } = session
  const [files, setFiles] = useState<readonly SessionFile[]>([])
  const load = useAction(async () => setFiles(await client.sessions.files(token)))
  const remove = useAction(async (name: string) => {
    await client.sessions.remove(token, name)
    await load()
    onChanged()
  })
  const submit = useAction(async () => {
    const stored = await client.sessions.submit(token)
    toasts.show(`Submitted: ${count(stored.length, 'file')}.`)
    onChanged()
    await load()
  })
  const done = useSelected(
    queue.store,
    (items) => items.filter(({ state }) => state === 'done').length,
  )
  useEffect(() => {
    void load()
    if (done > 0) onChanged()
  }, [token, done])
  const taking = takes(session)
  return (
    <section class="session" aria-label="The session">
      {taking && (
        <div class="toolbar-line">
          <p class="hint">
            {expires && `Expires ${formatTime(expires)} without activity.`} Drop files here, or
            choose them.
          </p>
          <span class="space" />
          <ChooseButtons session={token} />
          <button type="button" class="button" disabled={files.length === 0} onClick={submit}>
            <Icon name="check" /> Submit
          </button>
        </div>
      )}
      {taking && <DropZone session={token} />}
      <UploadPanel />
      {files.length > 0 && (
        <ul class="panel lines" aria-label="Files of the session">
          {files.map(({ name, size }) => (
            <li key={name} class="line">
              <span class="grow">{name}</span>
              <span class="dim">{formatBytes(size)}</span>
              {taking && (
                <button
                  type="button"
                  class="icon-button"
                  aria-label={`Remove ${name}`}
                  onClick={() => remove(name)}
                >
                  <Icon name="trash" />
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
