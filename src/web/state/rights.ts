import type { User } from '../../client/client.ts'

/** What the page shows to whom. The server decides by itself what it lets them do. */
export interface Rights {
  library: boolean
  accounts: boolean
}

const rights: Readonly<Record<User['role'], Rights>> = {
  user: { library: false, accounts: false },
  staff: { library: true, accounts: false },
  admin: { library: true, accounts: true },
}

export function rightsOf({ role }: Pick<User, 'role'>): Rights {
  return rights[role]
}
