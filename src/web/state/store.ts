import { useLayoutEffect, useRef, useState } from 'preact/hooks'

/** A value that is watched. What is set is never changed afterwards. */
export interface Store<T> {
  get(): T
  set(value: T): void
  /** Answers how to stop watching. */
  watch(changed: () => void): () => void
}

export function createStore<T>(first: T): Store<T> {
  let value = first
  const watchers = new Set<() => void>()
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return
      value = next
      for (const changed of [...watchers]) changed()
    },
    watch(changed) {
      watchers.add(changed)
      return () => watchers.delete(changed)
    },
  }
}

/** The value of a store; the component is drawn again when it changes. */
export function useStore<T>(store: Store<T>): T {
  return useSelected(store, (value) => value)
}

/** What `select` makes of a store; the component is drawn again when that changes. */
export function useSelected<T, Selected>(
  store: Store<T>,
  select: (value: T) => Selected,
): Selected {
  const selected = select(store.get())
  const [, redraw] = useState<unknown>()
  const current = useRef({ select, selected })
  current.current = { select, selected }
  useLayoutEffect(() => {
    const look = () => {
      const { select, selected } = current.current
      if (!Object.is(select(store.get()), selected)) redraw({})
    }
    // It may have changed between the drawing and now.
    look()
    return store.watch(look)
  }, [store])
  return selected
}
