import { useState } from 'preact/hooks'
import { formatBytes } from '../format.ts'
import { useApp } from '../parts/app.ts'
import type { Place } from '../state/place.ts'
import { parseBytes, types } from './query.ts'

type Query = Place['query']

/** Every filter of the API, in words. What is chosen counts at once. */
export function Filters({ query }: { query: Query }) {
  return (
    <div class="panel filters">
      <TypeFilter value={query.type ?? ''} />
      <fieldset>
        <legend>Size</legend>
        <SizeField name="size_min" label="At least" value={query.size_min ?? ''} />
        <SizeField name="size_max" label="At most" value={query.size_max ?? ''} />
      </fieldset>
      <fieldset>
        <legend>Added</legend>
        <DateField name="created_from" label="From" query={query} />
        <DateField name="created_to" label="Until" query={query} />
        <DateField name="created_date" label="On" query={query} />
      </fieldset>
      <fieldset>
        <legend>Changed</legend>
        <DateField name="updated_from" label="From" query={query} />
        <DateField name="updated_to" label="Until" query={query} />
        <DateField name="updated_date" label="On" query={query} />
      </fieldset>
      <fieldset>
        <legend>Pixels of images</legend>
        <NumberField name="width_min" label="Width from" query={query} />
        <NumberField name="width_max" label="Width to" query={query} />
        <NumberField name="height_min" label="Height from" query={query} />
        <NumberField name="height_max" label="Height to" query={query} />
      </fieldset>
      <fieldset>
        <legend>Ids</legend>
        <NumberField name="user_id" label="User id" query={query} />
        <NumberField name="id_min" label="File id from" query={query} />
        <NumberField name="id_max" label="File id to" query={query} />
      </fieldset>
    </div>
  )
}

function TypeFilter({ value }: { value: string }) {
  const { places } = useApp()
  const chosen = value === '' ? [] : value.split(',')
  return (
    <fieldset class="types">
      <legend>Type</legend>
      {types.map(([type, words]) => (
        <label key={type} class="chip choice">
          <input
            type="checkbox"
            checked={chosen.includes(type)}
            onChange={(event) => {
              const others = chosen.filter((each) => each !== type)
              const next = event.currentTarget.checked ? [...others, type] : others
              places.filter({ type: next.join(',') })
            }}
          />
          <span>{words}</span>
        </label>
      ))}
    </fieldset>
  )
}

interface FieldProps {
  name: string
  label: string
  query: Query
}

function DateField({ name, label, query }: FieldProps) {
  const { places } = useApp()
  const value = query[name] ?? ''
  const onChange = (event: { currentTarget: HTMLInputElement }) =>
    places.filter({ [name]: event.currentTarget.value })
  // A link may hold a time, which a field of days cannot show.
  const isDay = value === '' || /^\d{4}-\d\d-\d\d$/.test(value)
  const id = `filter-${name}`
  return (
    <div class="field small">
      <label for={id}>{label}</label>
      {isDay ? (
        <input id={id} type="date" value={value} onChange={onChange} />
      ) : (
        <input id={id} value={value} onChange={onChange} />
      )}
    </div>
  )
}

function NumberField({ name, label, query }: FieldProps) {
  const { places } = useApp()
  return (
    <label class="field small">
      <span>{label}</span>
      <input
        type="number"
        min="0"
        step="1"
        value={query[name] ?? ''}
        onChange={(event) => places.filter({ [name]: event.currentTarget.value })}
      />
    </label>
  )
}

function SizeField({ name, label, value }: { name: string; label: string; value: string }) {
  const { places } = useApp()
  const [wrong, setWrong] = useState(false)
  return (
    <label class="field small">
      <span>{label}</span>
      <input
        type="text"
        placeholder="1.5 MB"
        aria-invalid={wrong}
        value={value === '' ? '' : formatBytes(Number(value))}
        onChange={(event) => {
          const text = event.currentTarget.value
          const bytes = text.trim() === '' ? '' : parseBytes(text)
          setWrong(bytes === null)
          if (bytes !== null) places.filter({ [name]: String(bytes) })
        }}
      />
      {wrong && (
        <span class="trouble" role="alert">
          A size such as 500 KB or 1.5 GB
        </span>
      )}
    </label>
  )
}
