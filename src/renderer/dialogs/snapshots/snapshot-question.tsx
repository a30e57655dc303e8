/** What has to be said before something is done with a snapshot. */
import { useState } from 'react';
import { Form, Label, TextArea, TextField } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry, Snapshot } from '../../../shared/api.ts';
import type { MachineError, Result } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { isOn } from '../../display/use-display.ts';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';

export type Question = { readonly kind: 'take' } | { readonly kind: 'restore' | 'branch' | 'edit' | 'delete'; readonly snapshot: Snapshot };

export const SNAPSHOT_NAME_MAXIMUM = 200;

export interface SnapshotQuestionProps {
  readonly entry: LibraryEntry;
  readonly question: Question;
  readonly nextName: string;
  readonly onDone: () => void;
  readonly onClose: () => void;
}

export function SnapshotQuestion({ entry, question, nextName, onDone, onClose }: SnapshotQuestionProps) {
  const { t } = useTranslation();
  const { shell: { client } } = useApp();
  const { name: machine } = entry;
  const snapshot = question.kind === 'take' ? undefined : question.snapshot;
  const [name, setName] = useState(question.kind === 'edit' ? question.snapshot.name : nextName);
  const [notes, setNotes] = useState(question.kind === 'edit' ? question.snapshot.notes : '');
  const [error, setError] = useState<MachineError>();
  const [isPending, setPending] = useState(false);
  const hasName = question.kind === 'take' || question.kind === 'branch' || question.kind === 'edit';
  const hasNotes = question.kind === 'take' || question.kind === 'edit';
  const nameError = name.trim() === '' ? t('snapshots.nameEmpty') : name.trim().length > SNAPSHOT_NAME_MAXIMUM ? t('snapshots.nameTooLong') : undefined;

  const answer = async (): Promise<void> => {
    if (hasName && nameError !== undefined) return;
    setPending(true);
    setError(undefined);
    const done = await act();
    setPending(false);
    if (!done.ok) {
      setError(done.error);
      return;
    }
    if (snapshot !== undefined && (question.kind === 'restore' || question.kind === 'branch')) showNotice({ kind: 'info', text: t('snapshots.restored', { machine, name: snapshot.name }) });
    onClose();
    onDone();
  };
  const act = (): Promise<Result<unknown>> => {
    if (question.kind === 'take') return client.snapshots.take({ name: machine, snapshotName: name, notes });
    const target = { name: machine, snapshot: question.snapshot.id };
    switch (question.kind) {
      case 'restore': return client.snapshots.restore(target);
      case 'branch': return client.snapshots.restore({ ...target, saveCurrentAs: name });
      case 'edit': return client.snapshots.change({ ...target, newName: name, notes });
      case 'delete': return client.snapshots.delete(target);
    }
  };

  const isDangerous = question.kind === 'restore' || question.kind === 'delete';
  const given = { machine, name: snapshot?.name ?? '' };
  const text = question.kind === 'take' ? t(isOn(entry.status.state) ? 'snapshots.takeOnText' : 'snapshots.takeOffText')
    : question.kind === 'restore' ? t('snapshots.restoreText') : question.kind === 'branch' ? t('snapshots.branchText') : question.kind === 'delete' ? t('snapshots.deleteText') : undefined;
  return (
    <AppDialog title={t(`snapshots.${question.kind}Title`, given)} isAlert={isDangerous} onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => { event.preventDefault(); void answer(); }}>
        {text === undefined ? null : <p className="dialog-text">{text}</p>}
        {hasName ? <TextInput label={t(question.kind === 'branch' ? 'snapshots.saveAs' : 'snapshots.name')} value={name} onChange={setName} autoFocus error={nameError} /> : null}
        {hasNotes ? (
          <TextField className="field" value={notes} onChange={setNotes}>
            <Label className="field-label">{t('manager.notes')}</Label>
            <TextArea className="input notes-input" rows={3} maxLength={10_000} />
          </TextField>
        ) : null}
        {error === undefined ? null : <ErrorNotice error={error} />}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind={isDangerous ? 'plain' : 'quiet'} autoFocus={isDangerous} onPress={onClose} />
          <AppButton label={t(`snapshots.${question.kind}Confirm`)} kind={isDangerous ? 'danger' : 'primary'} type="submit" isPending={isPending} isDisabled={hasName && nameError !== undefined} />
        </footer>
      </Form>
    </AppDialog>
  );
}
