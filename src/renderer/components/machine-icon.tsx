import type { LibraryEntry } from '../../shared/api.ts';
import type { GuestSystem, MachineIcon as IconName } from '../../shared/machine-description.ts';

/** Signs on a 24 × 24 grid; the tile's colour tells the family from afar. Decoration only. */
const SIGNS: Readonly<Record<IconName, { readonly hue: number; readonly path: string }>> = {
  dos: { hue: 0, path: 'M5 7l4.500 5L5 17M12 17h7' },
  'windows-9x': { hue: 195, path: 'M4 7c3-1.500 5-1.500 8 0s5 1.500 8 0v10c-3 1.500-5 1.500-8 0s-5-1.500-8 0zM12 7v10M4 12c3-1.500 5-1.500 8 0s5 1.500 8 0' },
  'windows-xp': { hue: 130, path: 'M4.500 6.500h6.500v5H4.500zM13 6.500h6.500v5H13zM4.500 13.500h6.500v5H4.500zM13 13.500h6.500v5H13z' },
  windows: { hue: 215, path: 'M4 6.500l7-1v6H4zM13 5.200l7-1v7.300h-7zM4 13.500h7v6l-7-1zM13 13.500h7v7.300l-7-1z' },
  linux: { hue: 40, path: 'M8.500 9.500V8a3.500 3.500 0 0 1 7 0v1.500c0 2.500 3 5 3 8.500 0 1.500-1.500 2.500-3 1.500-2 1-5 1-7 0-1.500 1-3 0-3-1.500 0-3.500 3-6 3-8.500M10.700 8.500h.01M13.300 8.500h.01M11 11l1 .800 1-.800' },
  bsd: { hue: 345, path: 'M6.500 5.500c0 2 1 3 2 3.500M17.500 5.500c0 2-1 3-2 3.500M12 8a6 6 0 1 1 0 12 6 6 0 0 1 0-12M9.700 13.500h.01M14.300 13.500h.01M9.500 16.500c1.500 1.200 3.500 1.200 5 0' },
  computer: { hue: 170, path: 'M4 5.500h16v10.500H4zM9 19.500h6M12 16v3.500' },
  server: { hue: 250, path: 'M5 4.500h14v6H5zM5 13.500h14v6H5zM8 7.500h.01M8 16.500h.01M12 7.500h4M12 16.500h4' },
  terminal: { hue: 150, path: 'M4 5h16v14H4zM7.500 9.500l3 2.500-3 2.500M12.500 15H16' },
  book: { hue: 25, path: 'M12 6.500C10 5 7 4.700 4 5v13c3-.300 6 0 8 1.500M12 6.500C14 5 17 4.700 20 5v13c-3-.300-6 0-8 1.500M12 6.500v13' },
  game: { hue: 285, path: 'M7 8h10a4 4 0 0 1 4 4.500l-.500 3.500a2.200 2.200 0 0 1-4 .800L15 15H9l-1.500 1.800a2.200 2.200 0 0 1-4-.800L3 12.500A4 4 0 0 1 7 8M7 11.500h3M8.500 10v3M15.500 11h.01M17.500 12.800h.01' },
  flask: { hue: 90, path: 'M10 4h4M10.500 4v6L5.500 18a1.500 1.500 0 0 0 1.300 2h10.400a1.500 1.500 0 0 0 1.300-2l-5-8V4M8 15h8' },
};

const OF_FAMILY: Readonly<Record<GuestSystem, IconName>> = {
  dos: 'dos', 'windows-9x': 'windows-9x', 'windows-xp': 'windows-xp', windows: 'windows', 'linux-32': 'linux', 'linux-64': 'linux', bsd: 'bsd', other: 'computer',
};

export function iconOf({ config }: LibraryEntry): IconName {
  if (config?.icon !== undefined) return config.icon;
  if (config?.guestSystem !== undefined) return OF_FAMILY[config.guestSystem];
  return config?.bundledGuest === undefined && config?.directBoot === undefined ? 'computer' : 'linux';
}

export function SystemIcon({ icon, size = 28 }: { readonly icon: IconName; readonly size?: number }) {
  const { hue, path } = SIGNS[icon];
  return (
    <span className="machine-icon" aria-hidden="true" style={{ '--hue': hue, '--size': `${size}px` } as React.CSSProperties}>
      <svg width={size * 0.72} height={size * 0.72} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={1.7} strokeLinecap="round" strokeLinejoin="round" focusable="false"><path d={path} /></svg>
    </span>
  );
}

export function iconOfFamily(system: GuestSystem): IconName {
  return OF_FAMILY[system];
}
