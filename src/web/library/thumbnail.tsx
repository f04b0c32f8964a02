import { useEffect, useRef, useState } from 'preact/hooks'
import type { MediaFile } from '../../client/client.ts'
import { useVisit } from '../parts/app.ts'
import { Icon, typeIcon } from '../parts/icons.tsx'

/** A picture of an image once it comes into view; of everything else a sign of its type. */
export function Thumbnail({ file, width }: { file: MediaFile; width: number }) {
  const { thumbnails } = useVisit()
  const ref = useRef<HTMLSpanElement>(null)
  const [url, setUrl] = useState<string | null>(null)
  const { id, type } = file
  useEffect(() => {
    if (type !== 'image') return
    const gone = new AbortController()
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return
        observer.disconnect()
        // Wanted no more is no error.
        thumbnails.get(id, width, gone.signal).then(setUrl, () => {})
      },
      { rootMargin: '300px' },
    )
    if (ref.current) observer.observe(ref.current)
    return () => {
      observer.disconnect()
      gone.abort()
    }
  }, [id, type, width, thumbnails])
  return (
    <span ref={ref} class={`thumb ${type}`}>
      {url === null ? (
        <>
          <Icon name={typeIcon(type)} size={36} />
          {type !== 'image' && <span class="ending">{endingOf(file.name)}</span>}
        </>
      ) : (
        <img src={url} alt="" decoding="async" />
      )}
    </span>
  )
}

function endingOf(name: string): string {
  const [, ending = ''] = /\.(\w{1,5})$/.exec(name) ?? []
  return ending.toUpperCase()
}
