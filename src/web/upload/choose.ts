import type { Collected } from './collect.ts'
import { fromHandles, fromList } from './collect.ts'

type Picker = (options: { multiple: boolean }) => Promise<FileSystemFileHandle[]>

/**
 * Asks for files: by the picker that gives a way back to them after a reload, where the browser has
 * it, else by a file input. Null where nobody chose anything.
 */
export async function chooseFiles(multiple = true): Promise<Collected | null> {
  const { showOpenFilePicker } = window as unknown as { showOpenFilePicker?: Picker }
  if (showOpenFilePicker === undefined) return chooseByInput({ multiple })
  try {
    return await fromHandles(await showOpenFilePicker({ multiple }))
  } catch (error) {
    // Somebody pressed Cancel; or it is not allowed here, as in a frame.
    if (error instanceof DOMException && error.name === 'AbortError') return null
    return chooseByInput({ multiple })
  }
}

export function chooseFolder(): Promise<Collected | null> {
  return chooseByInput({ multiple: true, folder: true })
}

function chooseByInput(options: { multiple: boolean; folder?: boolean }) {
  return new Promise<Collected | null>((resolve) => {
    const input = document.createElement('input')
    input.type = 'file'
    input.multiple = options.multiple
    input.webkitdirectory = options.folder ?? false
    input.addEventListener('change', () =>
      resolve({ found: fromList(input.files ?? []), unreadable: [] }),
    )
    input.addEventListener('cancel', () => resolve(null))
    input.click()
  })
}
