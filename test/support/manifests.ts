import { MANIFEST_ENDING } from '../../src/media/manifest.ts'

/** Without the manifests that lie beside their bytes: one that lies alone is a stray file. */
export function withoutManifests(files: readonly string[]): string[] {
  const all = new Set(files)
  return files.filter((file) => {
    const isManifest = file.endsWith(MANIFEST_ENDING)
    return !isManifest || !all.has(file.slice(0, -MANIFEST_ENDING.length))
  })
}
