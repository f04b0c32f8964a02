import { FirstSteps } from '../library/empty.tsx'
import { useApp } from '../parts/app.ts'
import { useSelected } from '../state/store.ts'
import { ChooseButtons } from '../upload/drop-zone.tsx'
import { UploadPanel } from '../upload/panel.tsx'

/** For users who may upload and not look at the library: what they have sent from this browser. */
export function OwnUploads() {
  const { queue } = useApp()
  const none = useSelected(queue.store, (items) => items.length === 0)
  return (
    <>
      <div class="toolbar-line page-head">
        <h1>Your uploads</h1>
        <span class="space" />
        <ChooseButtons />
      </div>
      {none ? <FirstSteps /> : <UploadPanel title="From this browser" />}
    </>
  )
}
