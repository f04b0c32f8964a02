export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB

/** `1 GiB`, `64 MiB`, `10 KiB`. */
export function sizeName(bytes: number): string {
  if (bytes >= GIB) return `${bytes / GIB} GiB`
  return bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`
}
