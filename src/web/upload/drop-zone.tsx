import { useEffect, useState } from 'preact/hooks'
import { useApp } from '../parts/app.ts'
import { Icon } from '../parts/icons.tsx'
import { chooseFiles, chooseFolder } from './choose.ts'
import { collect } from './collect.ts'
import { namePasted, take } from './take.ts'

const hasFiles = (data: DataTransfer | null) => data?.types.includes('Files') ?? false

interface DropZoneProps {
  session?: string
  /** Why nothing is taken here. */
  refusal?: string
}

/** Takes files that are dropped or pasted anywhere on the page, and shows that it would. */
export function DropZone({ session, refusal }: DropZoneProps) {
  const app = useApp()
  const [over, setOver] = useState(false)
  useEffect(() => {
    let depth = 0
    const set = (to: number) => {
      depth = Math.max(0, to)
      setOver(depth > 0)
    }
    const onEnter = (event: DragEvent) => hasFiles(event.dataTransfer) && set(depth + 1)
    const onLeave = (event: DragEvent) => hasFiles(event.dataTransfer) && set(depth - 1)
    const onOver = (event: DragEvent) => {
      if (hasFiles(event.dataTransfer)) event.preventDefault()
    }
    const onDrop = (event: DragEvent) => {
      if (!event.dataTransfer || !hasFiles(event.dataTransfer)) return
      event.preventDefault()
      set(0)
      if (refusal !== undefined) return void app.toasts.show(refusal)
      void collect(event.dataTransfer).then((given) => take(given, app, session))
    }
    const onPaste = (event: ClipboardEvent) => {
      if (!event.clipboardData || !hasFiles(event.clipboardData)) return
      event.preventDefault()
      if (refusal !== undefined) return void app.toasts.show(refusal)
      void collect(event.clipboardData).then((given) => take(namePasted(given), app, session))
    }
    addEventListener('dragenter', onEnter)
    addEventListener('dragleave', onLeave)
    addEventListener('dragover', onOver)
    addEventListener('drop', onDrop)
    addEventListener('paste', onPaste)
    return () => {
      removeEventListener('dragenter', onEnter)
      removeEventListener('dragleave', onLeave)
      removeEventListener('dragover', onOver)
      removeEventListener('drop', onDrop)
      removeEventListener('paste', onPaste)
    }
  }, [app, session, refusal])
  if (!over || refusal !== undefined) return null
  return (
    <div class="drop-over">
      <p>
        <Icon name="upload" size={40} />
        Drop files or folders to upload them
      </p>
    </div>
  )
}

/** The buttons that ask for files, and for a folder. */
export function ChooseButtons({ session }: { session?: string }) {
  const app = useApp()
  return (
    <span class="choose">
      <button
        type="button"
        class="button primary"
        onClick={async () => take(await chooseFiles(), app, session)}
      >
        <Icon name="upload" /> Upload files
      </button>
      <button
        type="button"
        class="button"
        aria-label="Upload a folder"
        title="Upload a folder"
        onClick={async () => take(await chooseFolder(), app, session)}
      >
        <Icon name="folder" />
      </button>
    </span>
  )
}
