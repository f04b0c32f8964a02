/** Lines on a square of 24, drawn in the colour of the text around them. */
const shapes = {
  upload: 'M12 16V5m0 0L7.5 9.5M12 5l4.5 4.5M4 19h16',
  download: 'M12 5v11m0 0 4.5-4.5M12 16l-4.5-4.5M4 20h16',
  folder:
    'M3 7a1.5 1.5 0 0 1 1.5-1.5h4l2 2.5h9A1.5 1.5 0 0 1 21 9.5v8A1.5 1.5 0 0 1 19.5 19h-15A1.5 1.5 0 0 1 3 17.5z',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20',
  filter: 'M4 6h16M7 12h10M10 18h4',
  grid: 'M4 4h6.5v6.5H4zM13.5 4H20v6.5h-6.5zM4 13.5h6.5V20H4zM13.5 13.5H20V20h-6.5z',
  list: 'M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01',
  up: 'M12 19V5m0 0-5 5m5-5 5 5',
  down: 'M12 5v14m0 0 5-5m-5 5-5-5',
  left: 'M15 5l-7 7 7 7',
  right: 'M9 5l7 7-7 7',
  close: 'M6 6l12 12M18 6 6 18',
  check: 'M5 12.5 10 17.5 19.5 7',
  pause: 'M8.5 5.5v13M15.5 5.5v13',
  play: 'M7.5 5v14l11-7z',
  retry: 'M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 4v4.5H15',
  trash: 'M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10.5 11v5.5M13.5 11v5.5',
  link: 'M10 14a4 4 0 0 0 6 .4l2.6-2.6a4 4 0 0 0-5.7-5.7L11.7 7.3M14 10a4 4 0 0 0-6-.4l-2.6 2.6a4 4 0 0 0 5.7 5.7l1.2-1.2',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  terminal: 'M4.5 6.5 9.5 11.5l-5 5M12 18h7.5',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4',
  more: 'M5.5 12h.01M12 12h.01M18.5 12h.01',
  sun: 'M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.7 1.7M17.3 17.3 19 19M19 5l-1.7 1.7M6.7 17.3 5 19',
  moon: 'M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  help: 'M9.2 9a2.9 2.9 0 1 1 4.3 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z',
  user: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5',
  key: 'M8.5 16.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12.5 12.5H21M17.5 12.5v3.5',
  warning: 'M12 4 2.8 19.5h18.4zM12 10v4.5M12 17h.01',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15 9.5h.01',
  video: 'M3.5 6h12v12h-12zM15.5 10.5l5-3v9l-5-3',
  audio:
    'M9 18V6l10-2v12M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM19 16a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z',
  page: 'M6 3.5h8l4.5 4.5v12.5H6zM14 3.5V8h4.5M9 12.5h6M9 16h6',
  table: 'M4 5h16v14H4zM4 10h16M4 14.5h16M10 5v14',
  slides: 'M3.5 4.5h17v11h-17zM12 15.5v4M8.5 20h7',
  archive: 'M4 4.5h16V9H4zM5.5 9v10.5h13V9M10 13h4',
  other: 'M6 3.5h8l4.5 4.5v12.5H6zM14 3.5V8h4.5',
} as const

export type IconName = keyof typeof shapes

/** Seen only: whatever it stands in has words of its own. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <path d={shapes[name]} />
    </svg>
  )
}

const byType: Readonly<Record<string, IconName>> = {
  image: 'image',
  video: 'video',
  audio: 'audio',
  pdf: 'page',
  text: 'page',
  document: 'page',
  spreadsheet: 'table',
  presentation: 'slides',
  compressed: 'archive',
}

export function typeIcon(type: string): IconName {
  return byType[type] ?? 'other'
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 24 24" width="28" height="28" aria-hidden="true">
      <rect width="24" height="24" rx="6" />
      <path d="M12 5v9m0 0-3.5-3.5M12 14l3.5-3.5M5 18.5c1.8 0 1.8-1 3.5-1s1.7 1 3.5 1 1.8-1 3.5-1 1.7 1 3.5 1" />
    </svg>
  )
}
