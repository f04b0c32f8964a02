import { useApp, useVisit } from './app.ts'
import { Dialog } from './dialog.tsx'
import { ThreeWays } from './three-ways.tsx'

const everywhere: readonly [keys: string, what: string][] = [
  ['U', 'Choose files to upload'],
  ['Ctrl V', 'Upload what was copied'],
  ['P', 'Pause all uploads, or go on'],
  ['?', 'This list'],
  ['Esc', 'Close, or give up the selection'],
]

const inLibrary: readonly [keys: string, what: string][] = [
  ['/', 'Search'],
  ['F', 'Filters'],
  ['V', 'Grid or list'],
  ['← ↑ → ↓', 'Move between files'],
  ['Enter', 'Open a file'],
  ['X', 'Select, or deselect'],
  ['Ctrl A', 'Select everything that is shown'],
  ['C', 'Copy links'],
  ['Delete', 'Delete; it can be undone for some seconds'],
  ['← →', 'In an open file: the one before or after'],
]

/** Keyboard shortcuts, and how to upload without this page. */
export function Help() {
  const { help } = useApp()
  const { library } = useVisit()
  return (
    <Dialog title="Help" onClose={() => help.set(false)}>
      <div class="dialog-body">
        <h3>Keyboard shortcuts</h3>
        <dl class="keys">
          {[...everywhere, ...(library ? inLibrary : [])].map(([keys, what]) => (
            <div key={what}>
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <h3>Other ways to upload</h3>
        <ThreeWays />
      </div>
    </Dialog>
  )
}
