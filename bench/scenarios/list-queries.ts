/** The fields that a listing can be ordered by. */
const fields = [
  ...['id', 'type', 'name', 'size', 'width', 'height', 'mode', 'created_at', 'updated_at'],
  ...['user__id', 'user__username', 'user__first_name', 'user__last_name', 'user__last_login'],
]

/** Every documented order, in both directions. */
export const orders = fields.flatMap((field) => [`ordering=${field}`, `ordering=-${field}`])

/** Every documented filter, so that it lets through few files and many. */
export function filters(total: number): string[] {
  const at = (share: number) => Math.round(total * share)
  return [
    ...['type=image', 'type=pdf,video', 'type=audio', 'type=other', 'user_id=10', 'user_id=4000'],
    ...['size_min=1', 'size_min=500000', 'size_max=500000', 'size_max=700'],
    ...['width_min=1', 'width_min=1900', 'width_max=640', 'height_min=2000', 'height_max=500'],
    ...[`id_min=${at(0.5)}`, `id_max=${at(0.5)}`, `id_min=${total - 50}`, `id_max=${at(0.003)}`],
    ...['created_date=2024-06-01', 'updated_date=2024-06-01'],
    ...['created_from=2023-02-01T00:00:00Z', 'created_from=2025-12-20T10:11:12Z'],
    ...['created_to=2023-06-01T00:00:00Z', 'created_to=2025-06-01T10:11:12Z'],
    ...['updated_from=2023-02-01T00:00:00Z', 'updated_from=2025-12-20T10:11:12Z'],
    ...['updated_to=2023-06-01T00:00:00Z', 'updated_to=2025-06-01T10:11:12Z'],
  ]
}

/** Terms that few files have. */
export const narrow = [
  ...['search=123456', 'search=98f1', 'search=report%202024-06-01', 'search=%22invoice-0123%22'],
  ...['search=2024-06-01', 'search=nothing%20has%20this'],
]

/** Terms that a great part of the files has; the last one is too short for an index. */
export const broad = ['search=invoice', 'search=img_', 'search=jpg', 'search=a']

/** What people ask for beside these. */
export const mixed = [
  ...[
    '',
    'offset=500000',
    'type=image&ordering=-size',
    'type=image&created_from=2025-06-01T00:00:00Z',
  ],
  ...['type=pdf&search=report%202024', 'ordering=user__username&offset=300000'],
]
