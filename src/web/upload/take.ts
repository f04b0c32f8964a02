import { count } from '../format.ts'
import type { Toasts } from '../state/toasts.ts'
import type { Collected } from './collect.ts'
import type { Queue } from './queue.ts'

/** Puts what was given into the queue, and says what has become of it. */
export function take(
  given: Collected | null,
  { queue, toasts }: { queue: Queue; toasts: Toasts },
  session?: string,
): void {
  if (given === null) return
  const { found, unreadable } = given
  const { begun, resumed, known } = queue.add(found, session)
  if (resumed > 0) toasts.show(`${count(resumed, 'upload')} went on where it stopped.`)
  if (known > 0)
    toasts.show(`${count(known, 'file')} ${known === 1 ? 'is' : 'are'} on the way already.`)
  if (unreadable.length > 0) {
    const [first] = unreadable
    const what = unreadable.length === 1 ? `“${first}”` : count(unreadable.length, 'file')
    toasts.show(`${what} could not be read. Check the permissions, then add it again.`, {
      kind: 'error',
    })
  }
  if (begun + resumed + known + unreadable.length === 0) toasts.show('There was no file in it.')
}

/** What was copied, such as a picture of the screen, has a name that says nothing. */
export function namePasted(given: Collected, now = new Date()): Collected {
  const stamp = now.toISOString().slice(0, 19).replace('T', ' ').replaceAll(':', '.')
  const found = given.found.map((each) => {
    const [, ending] = /^image(\.\w+)$/.exec(each.file.name) ?? []
    if (ending === undefined || each.handle) return each
    const { type, lastModified } = each.file
    const file = new File([each.file], `Pasted ${stamp}${ending}`, { type, lastModified })
    return { ...each, file }
  })
  return { ...given, found }
}
