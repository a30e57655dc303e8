import { useEffect, useState } from 'react';
import { Form } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';
import { checkDraft, isDiskImage, newMachineOf, useDraft } from './draft.ts';
import type { DraftContext, Field } from './draft.ts';
import { HardwareStep, SummaryStep, SystemStep } from './steps.tsx';
import type { StepProps } from './steps.tsx';
import { useRecognition } from './use-recognition.ts';

const STEPS = ['system', 'hardware', 'summary'] as const;
/** What must be right before a step is left. */
const FIELDS_OF_STEP: readonly (readonly Field[])[] = [['image'], ['name', 'memory', 'disk', 'diskImage'], []];
const ALL_FIELDS = FIELDS_OF_STEP.flat();

export interface NewMachineDialogProps {
  readonly onClose: () => void;
  readonly onCreated: (name: string) => void;
}

/** Guided in three steps, or all on one page. A field tells its problem when it has been left, or when one wants to go on. */
export function NewMachineDialog({ onClose, onCreated }: NewMachineDialogProps) {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const { entries } = useStore(app.library);
  const guests = useStore(app.guests);
  const host = useStore(app.host);
  const { newMachine } = useStore(app.preferences);
  const imports = useStore(app.imports);
  const size = (bytes: number): string => formatBytes(bytes, i18n.language);

  const context: DraftContext = {
    guests, taken: entries.map(({ name }) => name), hostBytes: host?.memoryBytes, newMachine, size,
    defaultName: t('newMachine.defaultName'), systemName: (system) => t(`guestSystem.${system}`),
  };
  const editor = useDraft(context);
  const { draft } = editor;
  const checked = checkDraft(draft, context);
  const isLooking = useRecognition(draft.source === 'image' ? draft.image : '', editor.recognized);
  const [step, setStep] = useState(0);
  const [left, setLeft] = useState<ReadonlySet<Field>>(new Set());
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<MachineError>();
  const isExpert = newMachine.expert;
  const isLast = isExpert || step === STEPS.length - 1;

  useEffect(() => { void app.refreshHost(); }, [app]);
  useEffect(() => {
    if (error !== undefined) document.querySelector('.dialog .notice-error')?.scrollIntoView({ block: 'nearest' });
  }, [error]);

  const describe = (field: Field): string | undefined => {
    const problem = checked.problems[field];
    if (problem === undefined || !left.has(field)) return undefined;
    const { minimum = 0, maximum = 0, total = 0 } = problem.sizes ?? {};
    return t(problem.key, { minimum: size(minimum), maximum: size(maximum), total: size(total), example: field === 'disk' ? '8 GiB' : '512 MiB' });
  };
  /** True when these fields are in order; else the first that isn't has the focus. */
  const inOrder = (fields: readonly Field[]): boolean => {
    setLeft(new Set([...left, ...fields]));
    if (!fields.some((field) => checked.problems[field] !== undefined)) return true;
    // The error is in place after the next render; only then can it be read out with its field.
    setTimeout(() => { document.querySelector<HTMLInputElement>('.dialog [data-invalid] input')?.focus(); });
    return false;
  };
  const turnTo = (next: number): void => {
    setStep(next);
    setError(undefined);
    setTimeout(() => { document.querySelector<HTMLElement>('.step-title')?.focus(); });
  };

  const create = async (andStart: boolean): Promise<void> => {
    if (!inOrder(ALL_FIELDS)) return;
    setPending(true);
    setError(undefined);
    const { client } = app.shell;
    // The machine's settings say for ever what format the file has.
    const looked = checked.guest === undefined && draft.diskWay === 'attach' && !isDiskImage(draft) ? await client.media.recognize({ path: draft.diskImage.trim() }) : undefined;
    const created = looked?.ok === false ? looked
      : checked.guest !== undefined ? await client.library.createFromBundledGuest({ id: checked.guest.id, name: checked.name })
      : await client.library.create(newMachineOf(draft, checked, looked?.value));
    if (!created.ok) {
      setPending(false);
      setError(created.error);
      return;
    }
    await app.refreshLibrary();
    onClose();
    onCreated(created.value.name);
    if (andStart && await app.start(created.value.name)) go({ window: 'machine', machine: created.value.name });
  };

  const submit = (): void => {
    if (isLast) void create(true);
    else if (inOrder(FIELDS_OF_STEP[step] ?? []) && !isLooking) turnTo(step + 1);
  };

  const props: StepProps = { editor, checked, guests, freeBytes: host?.freeMemoryBytes, isLooking, describe, leave: (field) => { setLeft(new Set([...left, field])); } };
  const title = STEPS[step] ?? 'system';
  const copied = imports.get(checked.name);
  return (
    <AppDialog title={t('newMachine.title')} width="wide" onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => { event.preventDefault(); submit(); }}>
        {isExpert ? null : (
          <div className="step-line">
            <h3 className="step-title" tabIndex={-1}>{t('newMachine.step', { number: step + 1, total: STEPS.length, title: t(`newMachine.stepTitles.${title}`) })}</h3>
            <span className="step-dots" aria-hidden="true">{STEPS.map((name, index) => <span key={name} data-done={index <= step} />)}</span>
          </div>
        )}
        {isExpert || title === 'system' ? <SystemStep {...props} /> : null}
        {isExpert || title === 'hardware' ? <HardwareStep {...props} /> : null}
        {!isExpert && title === 'summary' ? <SummaryStep {...props} /> : null}
        {error === undefined ? null : <ErrorNotice error={error} />}
        {copied === undefined || !isPending ? null : (
          <div className="progress" role="status"><progress value={copied} max={1} aria-label={t('newMachine.diskImage')} />{t('newMachine.copying', { percent: Math.round(copied * 100) })}</div>
        )}
        <footer className="dialog-footer">
          <span className="footer-start">
            <AppButton label={t(isExpert ? 'newMachine.guided' : 'newMachine.expert')} kind="quiet" isDisabled={isPending} onPress={() => { void app.savePreferences({ newMachine: { ...newMachine, expert: !isExpert } }); }} />
          </span>
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          {!isExpert && step > 0 ? <AppButton label={t('newMachine.back')} isDisabled={isPending} onPress={() => { turnTo(step - 1); }} /> : null}
          {isLast ? <AppButton label={t('newMachine.create')} isDisabled={isPending} onPress={() => { void create(false); }} /> : null}
          {isLast
            ? <AppButton key="create" label={isPending ? t('newMachine.creating') : t('newMachine.createAndStart')} kind="primary" type="submit" isPending={isPending} />
            : <AppButton key="next" label={t('newMachine.next')} kind="primary" type="submit" isDisabled={isLooking} />}
        </footer>
      </Form>
    </AppDialog>
  );
}
