import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { SnapshotView } from './snapshot-view.tsx';

export function SnapshotsDialog({ entry, onClose }: { readonly entry: LibraryEntry; readonly onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <AppDialog title={t('snapshots.dialogTitle', { name: entry.name })} width="settings" onClose={onClose}>
      <SnapshotView entry={entry} />
    </AppDialog>
  );
}
