/** First and last name joined by a space, or the username where both are empty. */
export function fullNameOf(user: {
  username: string
  firstName: string
  lastName: string
}): string {
  return `${user.firstName} ${user.lastName}`.trim() || user.username
}
