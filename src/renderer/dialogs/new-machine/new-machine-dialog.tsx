import { useEffect, useState } from 'react';
import { Button, Form, Label, Radio, RadioGroup } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { NewMachine } from '../../../shared/api.ts';
import type { MachineError } from '../../../shared/result.ts';
import { GIB, MIB } from '../../../shared/sizes.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import type { IconName } from '../../components/icon.tsx';
import { Segments } from '../../components/segments.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';
import { FileBrowserDialog } from '../file-browser/file-browser-dialog.tsx';
import { checkDisk, checkIso, checkMemory, checkName, freeName } from './check-draft.ts';
import type { Problem } from './check-draft.ts';

const MEMORY_PRESETS_BYTES = [256 * MIB, 512 * MIB, 1 * GIB, 2 * GIB] as const;
const DISK_PRESETS_BYTES = [2 * GIB, 8 * GIB, 32 * GIB] as const;

/** Each kind of machine begins with what such a system needs. */
const ISO_DEFAULTS = { memoryBytes: 1 * GIB, diskBytes: 8 * GIB } as const;

type Source = 'iso' | 'empty' | `bundled:${string}`;
type Field = 'name' | 'memory' | 'disk' | 'iso';

export interface NewMachineDialogProps {
  readonly onClose: () => void;
  readonly onCreated: (name: string) => void;
}

export function NewMachineDialog({ onClose, onCreated }: NewMachineDialogProps) {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const { entries } = useStore(app.library);
  const guests = useStore(app.guests);
  const host = useStore(app.host);
  const taken = entries.map(({ name }) => name);
  const size = (bytes: number): string => formatBytes(bytes, i18n.language);

  const [source, setSource] = useState<Source>(guests[0] === undefined ? 'iso' : `bundled:${guests[0].id}`);
  const guest = guests.find(({ id }) => source === `bundled:${id}`);
  const [typedName, setTypedName] = useState<string>();
  const [memory, setMemory] = useState(size(ISO_DEFAULTS.memoryBytes));
  const [disk, setDisk] = useState(size(ISO_DEFAULTS.diskBytes));
  const [hasDisk, setHasDisk] = useState(true);
  const [iso, setIso] = useState('');
  const [architecture, setArchitecture] = useState<'x86_64' | 'i386'>('x86_64');
  /** A field tells its problem when it has been left or the form was sent, not while it is first typed in. */
  const [left, setLeft] = useState<ReadonlySet<Field>>(new Set());
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<MachineError>();
  const [isBrowsing, setBrowsing] = useState(false);

  const name = typedName ?? freeName(guest?.title ?? t('newMachine.defaultName'), taken);
  const checkedMemory = checkMemory(memory, host?.memoryBytes);
  const checkedDisk = checkDisk(disk);
  const problems: Readonly<Record<Field, Problem | undefined>> = {
    name: checkName(name, taken),
    memory: guest === undefined ? checkedMemory.problem : undefined,
    disk: guest === undefined && hasDisk ? checkedDisk.problem : undefined,
    iso: source === 'iso' ? checkIso(iso) : undefined,
  };
  const describe = (field: Field): string | undefined => {
    const problem = problems[field];
    if (problem === undefined || !left.has(field)) return undefined;
    const { minimum = 0, maximum = 0, total = 0 } = problem.sizes ?? {};
    return t(problem.key, { minimum: size(minimum), maximum: size(maximum), total: size(total), example: field === 'disk' ? '8 GiB' : '512 MiB' });
  };
  useEffect(() => {
    if (error !== undefined) document.querySelector('.dialog .notice-error')?.scrollIntoView({ block: 'nearest' });
  }, [error]);
  const leave = (...fields: Field[]): void => { setLeft(new Set([...left, ...fields])); };

  const create = async (andStart: boolean): Promise<void> => {
    leave('name', 'memory', 'disk', 'iso');
    const firstProblem = (['name', 'iso', 'memory', 'disk'] as const).find((field) => problems[field] !== undefined);
    if (firstProblem !== undefined) {
      // The error is in place after the next render; only then can it be read out with its field.
      setTimeout(() => { document.querySelector<HTMLInputElement>('.dialog [data-invalid] input')?.focus(); });
      return;
    }
    setPending(true);
    setError(undefined);
    const { client } = app.shell;
    const machine: NewMachine = {
      name, architecture, memoryBytes: checkedMemory.value ?? 0,
      ...(hasDisk && checkedDisk.value !== undefined ? { newDiskBytes: checkedDisk.value } : {}),
      cdroms: source === 'iso' ? [{ path: iso.trim() }] : [],
      bootOrder: ['hd', 'cd'],
    };
    const created = guest === undefined ? await client.library.create(machine) : await client.library.createFromBundledGuest({ id: guest.id, name });
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

  const browse = async (): Promise<void> => {
    if (app.shell.kind === 'browser') {
      setBrowsing(true);
      return;
    }
    const picked = await app.shell.client.dialogs.pickFile({ title: t('newMachine.pickIso'), purpose: 'cd-image' });
    if (!picked.ok) setError(picked.error);
    else if (picked.value.path !== undefined) setIso(picked.value.path);
  };

  const free = host?.freeMemoryBytes;
  const wantsMuch = free !== undefined && checkedMemory.value !== undefined && checkedMemory.value > free;

  return (
    <AppDialog title={t('newMachine.title')} width="wide" onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => { event.preventDefault(); void create(true); }}>
        <RadioGroup className="field" value={source} onChange={(chosen) => { setSource(chosen as Source); setError(undefined); }}>
          <Label className="field-label">{t('newMachine.source')}</Label>
          <div className="cards">
            {guests.map(({ id, title }) => <SourceCard key={id} value={`bundled:${id}`} icon="sparkle" title={t('newMachine.sourceBundled', { title })} text={t('newMachine.sourceBundledText')} />)}
            <SourceCard value="iso" icon="disc" title={t('newMachine.sourceIso')} text={t('newMachine.sourceIsoText')} />
            <SourceCard value="empty" icon="disk" title={t('newMachine.sourceEmpty')} text={t('newMachine.sourceEmptyText')} />
          </div>
        </RadioGroup>
        <TextInput label={t('newMachine.name')} value={name} onChange={setTypedName} hint={t('newMachine.nameHint')} error={describe('name')} onBlur={() => { leave('name'); }} />
        {source !== 'iso' ? null : (
          <TextInput label={t('newMachine.iso')} value={iso} onChange={setIso} hint={t('newMachine.isoHint')} error={describe('iso')} onBlur={() => { if (iso !== '') leave('iso'); }}
            beside={<AppButton label={t('newMachine.browse')} icon="folder" onPress={() => { void browse(); }} />} />
        )}
        {guest !== undefined ? (
          <p className="form-note"><Icon name="info" size={18} />{t('firstRun.bundledFacts', { memory: size(guest.memoryBytes), disk: size(guest.diskBytes) })}</p>
        ) : (
          <>
            <div className="form-columns">
              <TextInput label={t('newMachine.memory')} value={memory} onChange={setMemory} error={describe('memory')} onBlur={() => { leave('memory'); }}
                hint={free === undefined ? undefined : t(wantsMuch ? 'newMachine.memoryWarning' : 'newMachine.memoryHint', { free: size(free) })} hintKind={wantsMuch ? 'warning' : 'plain'}
                below={<Presets sizes={MEMORY_PRESETS_BYTES} chosen={checkedMemory.value} onChoose={(bytes) => { setMemory(size(bytes)); }} />} />
              <TextInput label={t('newMachine.disk')} value={hasDisk ? disk : t('newMachine.diskNone')} onChange={setDisk} isDisabled={!hasDisk} hint={hasDisk ? t('newMachine.diskHint') : undefined} error={describe('disk')} onBlur={() => { leave('disk'); }}
                below={<Presets sizes={DISK_PRESETS_BYTES} chosen={hasDisk ? checkedDisk.value : undefined} onChoose={(bytes) => { setHasDisk(true); setDisk(size(bytes)); }}
                  none={source === 'iso' ? { label: t('newMachine.diskNone'), isChosen: !hasDisk, onChoose: () => { setHasDisk(false); } } : undefined} />} />
            </div>
            <Segments label={t('newMachine.architecture')} hint={t('newMachine.architectureHint')} value={architecture} onChange={setArchitecture}
              options={[{ value: 'x86_64', label: t('manager.archX86_64') }, { value: 'i386', label: t('manager.archI386') }]} />
          </>
        )}
        {error === undefined ? null : <ErrorNotice error={error} />}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={t('newMachine.create')} isDisabled={isPending} onPress={() => { void create(false); }} />
          <AppButton label={isPending ? t('newMachine.creating') : t('newMachine.createAndStart')} kind="primary" type="submit" isPending={isPending} />
        </footer>
      </Form>
      {isBrowsing ? <FileBrowserDialog title={t('newMachine.pickIso')} purpose="cd-image" onClose={() => { setBrowsing(false); }} onChoose={(path) => { setIso(path); setBrowsing(false); }} /> : null}
    </AppDialog>
  );
}

function SourceCard({ value, icon, title, text }: { readonly value: Source; readonly icon: IconName; readonly title: string; readonly text: string }) {
  return (
    <Radio value={value} className="card">
      <span className="card-icon"><Icon name={icon} /></span>
      <span className="card-title">{title}</span>
      <span className="card-text">{text}</span>
    </Radio>
  );
}

interface PresetsProps {
  readonly sizes: readonly number[];
  readonly chosen: number | undefined;
  readonly onChoose: (bytes: number) => void;
  readonly none?: { readonly label: string; readonly isChosen: boolean; readonly onChoose: () => void } | undefined;
}

function Presets({ sizes, chosen, onChoose, none }: PresetsProps) {
  const { t, i18n } = useTranslation();
  return (
    <div className="presets" role="group" aria-label={t('newMachine.presets')}>
      {sizes.map((bytes) => <Button key={bytes} type="button" className="preset" aria-pressed={bytes === chosen} onPress={() => { onChoose(bytes); }}>{formatBytes(bytes, i18n.language)}</Button>)}
      {none === undefined ? null : <Button type="button" className="preset" aria-pressed={none.isChosen} onPress={none.onChoose}>{none.label}</Button>}
    </div>
  );
}
