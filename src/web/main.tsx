import { render } from 'preact'
import { Root } from './app.tsx'
import { type App, AppContext } from './parts/app.ts'
import { createPlaces } from './state/places.ts'
import { createSession } from './state/session.ts'
import { createSettings } from './state/settings.ts'
import { createStore } from './state/store.ts'
import { createToasts } from './state/toasts.ts'
import { createClaims } from './upload/claims.ts'
import { createMemory } from './upload/memory.ts'
import { createQueue } from './upload/queue.ts'

/** Builds the page: the only place that does. */
function compose(): App {
  const settings = createSettings()
  const session = createSession()
  const toasts = createToasts()
  const queue = createQueue({
    memory: createMemory(),
    claims: createClaims(),
    headers: session.headers,
    parallel: () => settings.get().parallel,
    onUnknownToken: session.end,
  })
  // More at a time may be allowed now.
  settings.watch(queue.hurry)
  // What is shown for a moment is said as well.
  toasts.store.watch(() => announce(toasts.store.get().at(-1)?.text ?? ''))
  const help = createStore(false)
  return { session, places: createPlaces(), settings, toasts, queue, announce, help }
}

const spoken = document.createElement('p')
spoken.className = 'unseen'
spoken.setAttribute('role', 'status')
document.body.append(spoken)

function announce(text: string): void {
  spoken.textContent = text
}

const app = compose()
void app.session.begin()
const place = document.querySelector('#app')
if (place) {
  render(
    <AppContext.Provider value={app}>
      <Root />
    </AppContext.Provider>,
    place,
  )
}
