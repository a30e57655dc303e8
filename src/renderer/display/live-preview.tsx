import { useRef } from 'react';
import type { LibraryEntry } from '../../shared/api.ts';
import { Icon } from '../components/icon.tsx';
import { iconOf, SystemIcon } from '../components/machine-icon.tsx';
import { useDisplay } from './use-display.ts';

/** A small moving picture of a machine's screen, or its sign while there is none. The words are the caller's. */
export function LivePreview({ entry, millisPerFrame, iconSize }: { readonly entry: LibraryEntry; readonly millisPerFrame: number; readonly iconSize: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { size } = useDisplay(canvas, entry.name, entry.status.state, millisPerFrame);
  return (
    <span className="preview" data-state={entry.status.state} aria-hidden="true">
      <canvas ref={canvas} width={1} height={1} hidden={size === undefined} />
      {size !== undefined ? null : entry.broken === undefined ? <SystemIcon icon={iconOf(entry)} size={iconSize} /> : <Icon name="alert" size={iconSize} />}
    </span>
  );
}
