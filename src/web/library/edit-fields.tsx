import { useState } from 'preact/hooks'
import { LandfallError, type MediaFile } from '../../client/client.ts'
import { useApp, useVisit } from '../parts/app.ts'
import { sentence } from '../words.ts'

interface EditFieldsProps {
  file: MediaFile
  onChanged: (file: MediaFile) => void
}

/** Name and description of a file, to be changed. */
export function EditFields({ file, onChanged }: EditFieldsProps) {
  const { announce } = useApp()
  const { client } = useVisit()
  const [name, setName] = useState(file.name)
  const [description, setDescription] = useState(file.description)
  const [trouble, setTrouble] = useState<string | null>(null)
  const [saving, setSaving] = useState(false)
  const changed = name !== file.name || description !== file.description

  async function save(): Promise<void> {
    setSaving(true)
    setTrouble(null)
    try {
      const saved = await client.files.update(file.id, { name, description })
      setName(saved.name)
      setDescription(saved.description)
      onChanged(saved)
      announce('Saved.')
    } catch (error) {
      const { fields = {} } = error instanceof LandfallError ? error : {}
      const said = Object.entries(fields).map(([field, words]) => `${field}: ${words.join(' ')}`)
      setTrouble(said.join(' ') || sentence(error))
    } finally {
      setSaving(false)
    }
  }

  return (
    <form
      class="edit"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <label class="field">
        <span>Name</span>
        <input
          name="name"
          value={name}
          maxLength={255}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>Description</span>
        <textarea
          name="description"
          rows={3}
          placeholder="What is it?"
          value={description}
          onInput={(event) => setDescription(event.currentTarget.value)}
        />
      </label>
      {trouble !== null && (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
      {changed && (
        <p class="edit-actions">
          <button type="submit" class="button primary" disabled={saving}>
            {saving ? 'Saving…' : 'Save'}
          </button>
          <button
            type="button"
            class="button quiet"
            onClick={() => {
              setName(file.name)
              setDescription(file.description)
            }}
          >
            Undo changes
          </button>
        </p>
      )}
    </form>
  )
}
