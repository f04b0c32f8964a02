import { useApp } from './app.ts'
import { copyText } from './copy.ts'
import { Icon } from './icons.tsx'

function curl(origin: string): string {
  return `export LANDFALL_TOKEN=…
curl -sS "${origin}/api/media/files" \\
  -H "Authorization: Token $LANDFALL_TOKEN" \\
  -F "f=@holiday.jpg"`
}

function tus(origin: string): string {
  return `import { Upload } from 'tus-js-client'

new Upload(file, {
  endpoint: '${origin}/files/',
  headers: { Authorization: \`Token \${token}\` },
  metadata: { filename: file.name },
  retryDelays: [0, 1000, 3000, 5000],
  onSuccess: ({ lastResponse }) =>
    console.log(lastResponse.getHeader('Landfall-Media-Url')),
}).start()`
}

/** How files get in: by this page, curl and tus-js-client, with the address of this server. */
export function ThreeWays() {
  const { origin } = location
  return (
    <div class="ways">
      <section>
        <h4>On this page</h4>
        <p>
          Drop files or folders anywhere, paste, or choose them. A lost connection, a reload or a
          closed laptop costs nothing: uploads go on where they were.
        </p>
      </section>
      <Snippet title="With curl" text={curl(origin)}>
        One request, for staff and admins.
      </Snippet>
      <Snippet title="With tus-js-client" text={tus(origin)}>
        Resumable, from your own page or program. Uppy and every other tus client work as well.
      </Snippet>
    </div>
  )
}

function Snippet({ title, text, children }: { title: string; text: string; children: string }) {
  const { toasts } = useApp()
  const copy = async () => {
    const copied = await copyText(text)
    toasts.show(copied ? 'Copied.' : 'The browser does not let this page copy: select the text.')
  }
  return (
    <section>
      <h4>{title}</h4>
      <p>{children}</p>
      <div class="snippet">
        <pre>
          <code>{text}</code>
        </pre>
        <button type="button" class="icon-button" aria-label={`Copy: ${title}`} onClick={copy}>
          <Icon name="copy" />
        </button>
      </div>
    </section>
  )
}
