/** Line drawings on a 20 × 20 grid, drawn in the colour of the text. Decoration only: whoever uses one gives the words. */
const PATHS = {
  play: 'M6.500 4.200v11.600l9-5.800z',
  pause: 'M7 4.500v11M13 4.500v11',
  stop: 'M5.500 5.500h9v9h-9z',
  power: 'M10 3v6.500M6.200 5.300a6.300 6.300 0 1 0 7.600 0',
  reset: 'M15.500 10a5.500 5.500 0 1 1-1.700-4M15.500 3.200v3.300h-3.300',
  trash: 'M4 5.800h12M8 5.500V3.800h4v1.700M5.500 5.800l.700 10.400h7.600l.700-10.400M8.500 9v4.500M11.500 9v4.500',
  plus: 'M10 4v12M4 10h12',
  screen: 'M3 4.500h14v9H3zM7.500 16.500h5M10 13.500v3',
  terminal: 'M3 4h14v12H3zM6 7.500 8.500 10 6 12.500M10.500 12.500H14',
  list: 'M4 5.500h12M4 10h12M4 14.500h8',
  keyboard: 'M2.500 5.500h15v9h-15zM5.500 8.500h.01M8.500 8.500h.01M11.500 8.500h.01M14.500 8.500h.01M7 11.500h6',
  camera: 'M3 6.500h3l1.300-2h5.400l1.300 2h3v9H3zM10 13.300a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5',
  expand: 'M7.500 3.500h-4v4M12.500 3.500h4v4M7.500 16.500h-4v-4M12.500 16.500h4v-4',
  shrink: 'M3.500 7.500h4v-4M16.500 7.500h-4v-4M3.500 12.500h4v4M16.500 12.500h-4v4',
  sliders: 'M4 6.500h7M14.500 6.500H16M4 13.500h1.500M9 13.500h7M12.700 8.300a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600M7.200 15.300a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600',
  back: 'M12 4.500 6.500 10l5.500 5.500',
  up: 'M10 16V4.500M5.500 8.500 10 4l4.500 4.500',
  more: 'M4.800 10h.01M10 10h.01M15.200 10h.01',
  chevron: 'M5.500 8l4.500 4.500L14.500 8',
  close: 'M5 5l10 10M15 5 5 15',
  alert: 'M10 3.500 17.300 16H2.700zM10 8.500v3.500M10 14h.01',
  info: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14M10 9.500V13M10 6.800h.01',
  disc: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14M10 11.800a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600',
  disk: 'M4 4h12v12H4zM4 12h12M13 14.200h.01',
  memory: 'M3 6.500h14v6.500H3zM6 13v2.500M10 13v2.500M14 13v2.500M6.500 9v1.500M10 9v1.500M13.500 9v1.500',
  chip: 'M6 6h8v8H6zM8 3v3M12 3v3M8 14v3M12 14v3M3 8h3M3 12h3M14 8h3M14 12h3',
  folder: 'M3 15.500v-11h5l1.500 2H17v9z',
  file: 'M5.500 3h6l3 3v11h-9zM11.500 3v3h3',
  check: 'M4.500 10.500 8.500 14.500 15.500 6',
  sparkle: 'M10 3l1.700 5.300L17 10l-5.300 1.700L10 17l-1.700-5.300L3 10l5.300-1.700z',
  mouse: 'M10 2.800a4.300 4.300 0 0 0-4.300 4.300v5.800a4.300 4.300 0 0 0 8.600 0V7.100A4.300 4.300 0 0 0 10 2.800M10 6v2.500',
  gear: 'M10 12.600a2.600 2.600 0 1 0 0-5.200 2.600 2.600 0 0 0 0 5.200M10 2.500v2.300M10 15.200v2.300M2.500 10h2.300M15.200 10h2.300M4.700 4.700l1.600 1.600M13.700 13.700l1.600 1.600M15.300 4.700l-1.600 1.600M6.300 13.700l-1.600 1.600',
  network: 'M7.500 3h5v4h-5zM3 13h5v4H3zM12 13h5v4h-5zM10 7v3M5.500 13v-3h9v3',
  shield: 'M10 3l6 2.200v4.300c0 3.700-2.500 6.200-6 7.500-3.500-1.300-6-3.800-6-7.500V5.200z',
  gauge: 'M4.200 14.500a7 7 0 1 1 11.600 0M10 11.500 13 7.500',
  eject: 'M4.500 11.500 10 5l5.500 6.500zM4.500 15h11',
  cable: 'M7 3v4M13 3v4M5 7h10v3a5 5 0 0 1-10 0zM10 15v2.500',
  branch: 'M6 4v12M6 9c0 3 8 1 8 5M6 5.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3M14 17a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3M6 17.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3',
  search: 'M9 14.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11M13 13l3.500 3.500',
  save: 'M10 3v9M6.500 8.500 10 12l3.500-3.500M4 15.500h12',
  note: 'M4 4h12v8.500L12.500 16H4zM12.500 16v-3.500H16M7 7.500h6M7 10.500h3.500',
  grid: 'M4 4h5v5H4zM11 4h5v5h-5zM4 11h5v5H4zM11 11h5v5h-5z',
  sort: 'M6 4v12M3.500 13.500 6 16l2.500-2.500M11 5h6M11 10h4.500M11 15h3',
  tag: 'M3.500 3.500h6l7 7-6 6-7-7zM7 7h.01',
  down: 'M10 4v11.500M5.500 11.500 10 16l4.500-4.500',
  pulse: 'M2.500 10.500h3.500l2-6 4 11 2-5h3.500',
  table: 'M3 4.500h14v11H3zM3 8.200h14M8 8.200v7.300',
} as const;
export type IconName = keyof typeof PATHS;

const FILLED: ReadonlySet<IconName> = new Set(['play', 'stop']);

export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }) {
  const isFilled = FILLED.has(name);
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false"
      fill={isFilled ? 'currentColor' : 'none'} stroke="currentColor" strokeWidth={name === 'more' ? 2.4 : 1.6} strokeLinecap="round" strokeLinejoin="round">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The app's own mark: a house whose window is a screen. */
export function Mark({ size = 28 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 64 64" aria-hidden="true" focusable="false">
      <rect width="64" height="64" rx="15" fill="var(--mark)" />
      <path d="M12 31 32 14l20 17v18a4 4 0 0 1-4 4H16a4 4 0 0 1-4-4z" fill="#f4efe4" />
      <rect x="20" y="30" width="24" height="16" rx="2.5" fill="#123f3a" />
      <path d="m24.500 34.500 3.500 3.500-3.500 3.500M31 41.500h6" fill="none" stroke="#ffce6b" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
