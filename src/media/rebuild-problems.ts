/** Why there is no record of a manifest, or no file of a record. For whoever runs the command. */
export const rebuildProblems = {
  unreadable: 'It is no manifest, is cut off, or speaks of another file.',
  'bytes-missing': 'Its bytes are missing.',
  'size-differs': 'Its bytes are not as many as it says.',
  'bytes-unreadable': 'Its bytes cannot be read.',
  'digest-differs': 'The SHA-256 of its bytes is not the one it says.',
  'owner-taken': 'Another user has the name of its owner.',
  conflict: 'Another upload or record has its id or its key.',
} as const

export type RebuildProblem = keyof typeof rebuildProblems
