import { useEffect } from 'preact/hooks'
import { count } from '../format.ts'
import { useApp, useVisit } from '../parts/app.ts'
import { useShortcuts } from '../parts/shortcuts.ts'
import { useSelected } from '../state/store.ts'
import { chooseFiles } from './choose.ts'
import { type Item, isRunning, summarise } from './item.ts'
import { take } from './take.ts'

const countOf = (state: Item['state']) => (items: readonly Item[]) =>
  items.filter((item) => item.state === state).length
const done = countOf('done')
const failed = countOf('failed')
const percent = (items: readonly Item[]) => {
  if (!items.some(isRunning)) return null
  const { sent, size } = summarise(items)
  return size === 0 ? 0 : Math.floor((sent / size) * 100)
}
const anyRunning = (items: readonly Item[]) => items.some(isRunning)

/** What uploads do beside their list: keys, the title of the tab, words for those who listen. */
export function UploadWatch() {
  const app = useApp()
  const { library } = useVisit()
  const { queue, help, announce } = app
  useShortcuts({
    '?': () => help.set(true),
    u: async () => take(await chooseFiles(), app),
    p() {
      if (queue.store.get().some(isRunning)) queue.pause()
      else void queue.resume()
    },
  })
  const doneNow = useSelected(queue.store, done)
  const failedNow = useSelected(queue.store, failed)
  const running = useSelected(queue.store, anyRunning)
  const percentNow = useSelected(queue.store, percent)
  useEffect(() => {
    // Seen also while another tab is.
    document.title = percentNow === null ? 'Landfall' : `${percentNow} % – Landfall`
  }, [percentNow])
  useEffect(() => {
    // Where events come, this is one look with theirs.
    if (doneNow > 0) library?.refreshSoon()
  }, [doneNow])
  useEffect(() => {
    if (doneNow > 0 && !running) announce(`${count(doneNow, 'file')} uploaded.`)
  }, [doneNow, running])
  useEffect(() => {
    if (failedNow > 0) announce(`${count(failedNow, 'upload')} failed.`)
  }, [failedNow])
  return null
}
