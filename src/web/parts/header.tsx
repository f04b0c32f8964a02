import type { User } from '../../client/client.ts'
import type { Place } from '../state/place.ts'
import { rightsOf } from '../state/rights.ts'
import type { Theme } from '../state/settings.ts'
import { useStore } from '../state/store.ts'
import { useApp } from './app.ts'
import { Icon, type IconName, Logo } from './icons.tsx'

const themes: readonly [Theme, IconName, string][] = [
  ['system', 'system', 'Colours of the system'],
  ['light', 'sun', 'Light colours'],
  ['dark', 'moon', 'Dark colours'],
]

/** The switch between the colours of the system, light and dark ones. */
export function ThemeSwitch() {
  const { settings } = useApp()
  const all = useStore(settings)
  const at = themes.findIndex(([theme]) => theme === all.theme)
  const [, icon, words] = themes[at] ?? ['system', 'system', '']
  const [next] = themes[(at + 1) % themes.length] ?? ['system']
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={`${words}: change`}
      title={`${words}: change`}
      onClick={() => settings.set({ ...all, theme: next })}
    >
      <Icon name={icon as IconName} />
    </button>
  )
}

export function Header({ user, live }: { user: User; live: boolean }) {
  const { places, session, help } = useApp()
  const place = useStore(places.store)
  const rights = rightsOf(user)
  const links: [Place['page'], string][] = [
    ['library', rights.library ? 'Library' : 'Uploads'],
    ['sessions', 'Sessions'],
    ...(rights.accounts ? [['accounts', 'Accounts'] as [Place['page'], string]] : []),
  ]
  return (
    <header class="top">
      <span class="brand">
        <Logo />
        <span class="brand-name">Landfall</span>
      </span>
      <nav aria-label="Pages">
        {links.map(([page, words]) => (
          <a
            key={page}
            href={page === 'library' ? '/' : `/?page=${page}`}
            aria-current={place.page === page ? 'page' : undefined}
            onClick={(event) => {
              if (event.ctrlKey || event.metaKey || event.shiftKey) return
              event.preventDefault()
              places.go({ page, file: null })
            }}
          >
            {words}
          </a>
        ))}
      </nav>
      <span class="space" />
      {live && (
        <span class="live" title="What others upload appears here by itself">
          Live
        </span>
      )}
      <ThemeSwitch />
      <button
        type="button"
        class="icon-button"
        aria-label="Help and keyboard shortcuts"
        title="Help and keyboard shortcuts (?)"
        onClick={() => help.set(true)}
      >
        <Icon name="help" />
      </button>
      <span class="who" title={`${user.username}, ${user.role}`}>
        <Icon name="user" />
        <span>{user.full_name}</span>
      </span>
      <button type="button" class="button quiet sign-out" onClick={() => session.signOut()}>
        Sign out
      </button>
    </header>
  )
}
