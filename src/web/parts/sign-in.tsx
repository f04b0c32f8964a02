import { useEffect, useRef, useState } from 'preact/hooks'
import { useApp } from './app.ts'
import { ThemeSwitch } from './header.tsx'
import { Logo } from './icons.tsx'

export function SignIn({ trouble, busy }: { trouble: string | null; busy: boolean }) {
  const { session } = useApp()
  const [token, setToken] = useState('')
  const [keep, setKeep] = useState(true)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [trouble])
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void session.signIn(token, keep)
        }}
      >
        <h1>
          <Logo /> Landfall
        </h1>
        <p>Sign in with a token to upload files and to look at them.</p>
        <label class="field">
          <span>Token</span>
          <input
            ref={field}
            name="token"
            type="password"
            autocomplete="current-password"
            required
            spellcheck={false}
            value={token}
            aria-invalid={trouble !== null}
            aria-describedby="sign-in-words"
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p id="sign-in-words" class="trouble" role="alert">
          {trouble}
        </p>
        <label class="check">
          <input
            type="checkbox"
            checked={keep}
            onChange={(event) => setKeep(event.currentTarget.checked)}
          />
          <span>Stay signed in on this device</span>
        </label>
        <button type="submit" class="button primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        <details>
          <summary>Where do I get a token?</summary>
          <p>
            An admin of this server makes one under Accounts, or with{' '}
            <code>landfall tokens add NAME</code>. The very first one was printed when the server
            was started for the first time.
          </p>
        </details>
      </form>
      <ThemeSwitch />
    </main>
  )
}
