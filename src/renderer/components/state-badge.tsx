import { useTranslation } from 'react-i18next';
import type { TFunction } from 'i18next';
import type { LibraryEntry, MachineStatus } from '../../shared/api.ts';

type Look = 'off' | 'saved' | 'busy' | 'running' | 'paused' | 'trouble';

function lookOf(status: MachineStatus): Look {
  if (status.state === 'crashed' || status.unresponsive || status.resetLoop || status.diskTrouble !== undefined) return 'trouble';
  if (status.state === 'starting' || status.state === 'saving' || status.state === 'stopping') return 'busy';
  if (status.state === 'running') return status.haltedForever ? 'paused' : 'running';
  return status.state;
}

/** Off, and goes on where it was when it is started. */
function isSaved({ status, hasSavedState }: LibraryEntry): boolean {
  return status.state === 'off' && hasSavedState === true;
}

/** The state in one or two words; trouble comes before the state itself. */
export function stateText(entry: LibraryEntry, t: TFunction): string {
  const { status } = entry;
  if (entry.broken !== undefined) return t('state.broken');
  if (status.state === 'crashed') return t('state.crashed');
  if (status.unresponsive) return t('state.unresponsive');
  if (status.resetLoop) return t('state.resetLoop');
  if (status.haltedForever && status.state === 'running') return t('state.haltedForever');
  if (isSaved(entry)) return t('state.saved');
  return t(`state.${status.state}`);
}

/** Shape and words tell the state as well as the colour does. */
export function StateBadge({ entry, size = 'normal' }: { readonly entry: LibraryEntry; readonly size?: 'normal' | 'small' }) {
  const { t } = useTranslation();
  const look = entry.broken !== undefined ? 'trouble' : isSaved(entry) ? 'saved' : lookOf(entry.status);
  return (
    <span className={`state state-${look} state-${size}`}>
      <span className="state-dot" aria-hidden="true" />
      {stateText(entry, t)}
    </span>
  );
}
