import { useEffect, useState } from 'react';
import type { Snapshot } from '../../../shared/api.ts';
import { Icon } from '../../components/icon.tsx';
import { useApp } from '../../state/app-state.ts';

/** The guest's screen when a snapshot was taken, or a sign where there is no picture. The words are the caller's. */
export function Thumbnail({ machine, snapshot: { id, hasThumbnail, hasMemory }, isLarge = false }: { readonly machine: string; readonly snapshot: Snapshot; readonly isLarge?: boolean }) {
  const { shell } = useApp();
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    if (!hasThumbnail) return undefined;
    let made: string | undefined;
    let isEnded = false;
    void shell.client.snapshots.thumbnail({ name: machine, snapshot: id }).then((answer) => {
      if (isEnded || !answer.ok || answer.value.png === undefined) return;
      made = URL.createObjectURL(new Blob([Uint8Array.from(answer.value.png)], { type: 'image/png' }));
      setAddress(made);
    });
    return () => {
      isEnded = true;
      if (made !== undefined) URL.revokeObjectURL(made);
      setAddress(undefined);
    };
  }, [shell, machine, id, hasThumbnail]);
  return (
    <span className={isLarge ? 'preview thumbnail-large' : 'preview'} aria-hidden="true">
      {address === undefined ? <Icon name={hasMemory ? 'camera' : 'disk'} size={isLarge ? 40 : 18} /> : <img src={address} alt="" data-testid={isLarge ? 'snapshot-picture' : undefined} />}
    </span>
  );
}
