import { useEffect, useState } from 'preact/hooks'
import type { Token, User } from '../../client/client.ts'
import { formatTime } from '../format.ts'
import { copyWithWord } from '../library/links.ts'
import { useApp, useVisit } from '../parts/app.ts'
import { Icon } from '../parts/icons.tsx'
import { useAction } from '../parts/use-action.ts'

/** The tokens of a user: what they are called, how long they are good, and a way to end them. */
export function Tokens({ user }: { user: User }) {
  const { toasts } = useApp()
  const { client } = useVisit()
  const [tokens, setTokens] = useState<readonly Token[]>([])
  const [key, setKey] = useState<string | null>(null)
  const load = useAction(async () =>
    setTokens((await client.tokens.list(user.id, { limit: 1000 })).results),
  )
  const make = useAction(async (form: HTMLFormElement) => {
    const data = new FormData(form)
    const day = String(data.get('ends') ?? '')
    const made = await client.tokens.create(user.id, {
      name: String(data.get('name') ?? '').trim(),
      // To the end of that day where the form was filled in.
      ...(day && { expires_at: new Date(`${day}T23:59:59`).toISOString() }),
    })
    setKey(made.key)
    form.reset()
    await load()
  })
  const revoke = useAction(async (token: Token) => {
    await client.tokens.revoke(token.id)
    await load()
  })
  useEffect(() => void load(), [user.id])
  return (
    <section aria-label={`Tokens of ${user.username}`}>
      {key !== null && (
        <div class="new-key" role="status">
          <p>
            <Icon name="key" /> The new token. It is shown this once: copy it now.
          </p>
          <code>{key}</code>
          <button
            type="button"
            class="button"
            onClick={() => copyWithWord(key, 'Token copied.', toasts)}
          >
            Copy
          </button>
        </div>
      )}
      {tokens.length > 0 && (
        <ul class="tokens">
          {tokens.map((token) => (
            <li key={token.id}>
              <span class="grow">
                {token.name || <span class="dim">no name</span>}
                <span class="dim">
                  {' '}
                  · made {formatTime(token.created_at)}
                  {token.expires_at && ` · ends ${formatTime(token.expires_at)}`}
                </span>
              </span>
              <button
                type="button"
                class="button quiet danger"
                aria-label={`Revoke the token ${token.name || token.id}`}
                onClick={() => revoke(token)}
              >
                Revoke
              </button>
            </li>
          ))}
        </ul>
      )}
      <form
        class="form inline-form"
        onSubmit={(event) => {
          event.preventDefault()
          void make(event.currentTarget)
        }}
      >
        <label class="field">
          <span>Name of a new token</span>
          <input name="name" placeholder="laptop" />
        </label>
        <label class="field">
          <span>Ends on (optional)</span>
          <input name="ends" type="date" />
        </label>
        <button type="submit" class="button">
          Make a token
        </button>
      </form>
    </section>
  )
}
