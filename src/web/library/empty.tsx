import { useApp } from '../parts/app.ts'
import { Icon } from '../parts/icons.tsx'
import { ThreeWays } from '../parts/three-ways.tsx'
import { ChooseButtons } from '../upload/drop-zone.tsx'

/** Nothing is there: because of the filters, or because nothing was ever uploaded. */
export function Empty({ filtered }: { filtered: boolean }) {
  const { places } = useApp()
  if (filtered) {
    return (
      <section class="panel empty">
        <Icon name="search" size={40} />
        <h2>No file matches</h2>
        <p>Take a filter away, or search for less.</p>
        <button
          type="button"
          class="button"
          onClick={() => {
            const { ordering = '' } = places.store.get().query
            places.go({ query: ordering === '' ? {} : { ordering } })
          }}
        >
          Take all filters away
        </button>
      </section>
    )
  }
  return <FirstSteps />
}

/** How the first file gets here. */
export function FirstSteps() {
  return (
    <section class="panel first" aria-labelledby="first-title">
      <div class="first-drop">
        <Icon name="upload" size={44} />
        <h2 id="first-title">Drop your first files here</h2>
        <p>Or whole folders. Paste works too.</p>
        <ChooseButtons />
      </div>
      <ThreeWays />
    </section>
  )
}
