import { sentence } from '../words.ts'
import { useApp } from './app.ts'

/** Something that asks the server: what goes wrong with it is said at the edge of the page. */
export function useAction<Input extends unknown[]>(
  work: (...input: Input) => Promise<unknown>,
): (...input: Input) => Promise<void> {
  const { toasts } = useApp()
  return async (...input) => {
    try {
      await work(...input)
    } catch (error) {
      toasts.show(sentence(error), { kind: 'error' })
    }
  }
}
