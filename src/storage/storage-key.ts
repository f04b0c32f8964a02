/**
 * Keys are made by us, from ids and from the settings. This only keeps a future mistake inside the
 * folder or the prefix that is ours.
 */
export function assertStorageKey(key: string): void {
  if (!/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(key)) throw new Error('malformed storage key')
}
