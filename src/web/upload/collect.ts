/** A file that somebody has given to the page. */
export interface Found {
  file: File
  /** Where it lay below what was given, such as `holiday/day 1`; `''` where it was given itself. */
  folder: string
  /** The way back to it after a reload, where the browser gives one. */
  handle: FileSystemFileHandle | null
}

export interface Collected {
  found: Found[]
  /** Names of what could not be read. */
  unreadable: string[]
}

/** What systems leave in folders, and nobody means to upload. */
const litter = new Set(['.ds_store', 'thumbs.db', 'desktop.ini', '._.ds_store'])

type Entry = FileSystemHandle | FileSystemEntry | File | null

/**
 * Files and folders of a drop or of the clipboard. To be called in the event itself: what it holds
 * is gone a moment later.
 */
export async function collect(data: DataTransfer): Promise<Collected> {
  const given = [...data.items]
    .filter(({ kind }) => kind === 'file')
    .map((item) => ({
      file: item.getAsFile(),
      entry: item.webkitGetAsEntry?.() ?? null,
      handle: handleOf(item),
    }))
  const collected: Collected = { found: [], unreadable: [] }
  for (const { file, entry, handle } of given) {
    const way = (await handle) ?? entry ?? file
    await walk(way, '', collected, file)
  }
  return collected
}

/** From a file input, also one of folders. */
export function fromList(files: Iterable<File>): Found[] {
  return [...files]
    .map((file) => ({
      file,
      folder: file.webkitRelativePath.split('/').slice(0, -1).join('/'),
      handle: null,
    }))
    .filter(({ folder, file }) => folder === '' || !isLitter(file.name))
}

/** From the picker that gives handles. */
export async function fromHandles(handles: readonly FileSystemFileHandle[]): Promise<Collected> {
  const collected: Collected = { found: [], unreadable: [] }
  for (const handle of handles) await walk(handle, '', collected)
  return collected
}

function handleOf(item: DataTransferItem): Promise<FileSystemHandle | null> {
  const { getAsFileSystemHandle } = item as {
    getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>
  }
  if (getAsFileSystemHandle === undefined) return Promise.resolve(null)
  return getAsFileSystemHandle.call(item).catch(() => null)
}

/** @param known the file of `entry`, where it is one and was given with it */
async function walk(
  entry: Entry,
  folder: string,
  collected: Collected,
  known: File | null = null,
): Promise<void> {
  if (entry === null || (folder !== '' && isLitter(entry.name))) return
  try {
    if (entry instanceof File) collected.found.push({ file: entry, folder, handle: null })
    else if (isDirectory(entry)) {
      const below = folder === '' ? entry.name : `${folder}/${entry.name}`
      for await (const child of childrenOf(entry)) await walk(child, below, collected)
    } else {
      const handle = 'getFile' in entry ? (entry as FileSystemFileHandle) : null
      const file = known ?? (await fileOf(entry))
      collected.found.push({ file, folder, handle })
    }
  } catch {
    collected.unreadable.push(entry.name)
  }
}

function isLitter(name: string): boolean {
  return litter.has(name.toLowerCase())
}

type Directory = FileSystemDirectoryHandle | FileSystemDirectoryEntry

function isDirectory(entry: FileSystemHandle | FileSystemEntry): entry is Directory {
  return 'kind' in entry ? entry.kind === 'directory' : entry.isDirectory
}

async function* childrenOf(directory: Directory): AsyncGenerator<Entry> {
  if ('createReader' in directory) {
    const reader = directory.createReader()
    for (;;) {
      // It gives a hundred at a time, and none when there are no more.
      const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
        reader.readEntries(resolve, reject),
      )
      if (entries.length === 0) return
      yield* entries
    }
  }
  const { values } = directory as unknown as { values(): AsyncIterable<FileSystemHandle> }
  yield* values.call(directory)
}

function fileOf(entry: FileSystemHandle | FileSystemEntry): Promise<File> {
  if ('getFile' in entry) return (entry as FileSystemFileHandle).getFile()
  return new Promise((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
}
