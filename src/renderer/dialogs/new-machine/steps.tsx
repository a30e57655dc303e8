/** The parts of the new-machine dialog: one after the other when guided, all on one page for experts. */
import { Button, Label, Radio, RadioGroup } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { BundledGuest } from '../../../shared/api.ts';
import { GIB, MIB } from '../../../shared/sizes.ts';
import { CheckBox } from '../../components/check-box.tsx';
import { ChoiceTiles } from '../../components/choice-tiles.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import type { IconName } from '../../components/icon.tsx';
import { iconOfFamily, SystemIcon } from '../../components/machine-icon.tsx';
import { PathInput } from '../../components/path-input.tsx';
import { Segments } from '../../components/segments.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { isDiskImage } from './draft.ts';
import type { CheckedDraft, DiskWay, DraftEditor, Field, Source } from './draft.ts';
import { MediumFound } from './medium-found.tsx';
import { templateOf, TEMPLATES } from './templates.ts';

const MEMORY_PRESETS_BYTES = [512 * MIB, 1 * GIB, 2 * GIB, 4 * GIB] as const;
const DISK_PRESETS_BYTES = [2 * GIB, 8 * GIB, 16 * GIB, 32 * GIB] as const;

export interface StepProps {
  readonly editor: DraftEditor;
  readonly checked: CheckedDraft;
  readonly guests: readonly BundledGuest[];
  readonly freeBytes: number | undefined;
  readonly isLooking: boolean;
  readonly describe: (field: Field) => string | undefined;
  readonly leave: (field: Field) => void;
}

export function SystemStep({ editor, guests, isLooking, describe, leave }: StepProps) {
  const { t } = useTranslation();
  const { draft, change } = editor;
  const isBundled = draft.source.startsWith('bundled:');
  return (
    <>
      <RadioGroup className="field" value={draft.source} onChange={(source) => { change({ source: source as Source }); }}>
        <Label className="field-label">{t('newMachine.source')}</Label>
        <div className="cards">
          {guests.map(({ id, title }) => <SourceCard key={id} value={`bundled:${id}`} icon="sparkle" title={title} text={t('newMachine.sourceBundledText')} />)}
          <SourceCard value="image" icon="disc" title={t('newMachine.sourceImage')} text={t('newMachine.sourceImageText')} />
          <SourceCard value="empty" icon="disk" title={t('newMachine.sourceEmpty')} text={t('newMachine.sourceEmptyText')} />
        </div>
      </RadioGroup>
      {draft.source !== 'image' ? null : (
        <>
          <PathInput label={t('newMachine.image')} value={draft.image} onChange={(image) => { change({ image }); }} purpose="bootable" pickTitle={t('newMachine.pickImage')}
            hint={isLooking ? t('newMachine.looking') : t('newMachine.imageHint')} error={describe('image')} onBlur={() => { if (draft.image !== '') leave('image'); }} />
          {draft.factsError === undefined ? null : <ErrorNotice error={draft.factsError} />}
          {draft.facts === undefined ? null : <MediumFound facts={draft.facts} />}
        </>
      )}
      {isBundled ? null : <SystemTiles editor={editor} />}
    </>
  );
}

function SystemTiles({ editor: { draft, chooseSystem } }: { readonly editor: DraftEditor }) {
  const { t } = useTranslation();
  return (
    <>
      <ChoiceTiles label={t('newMachine.system')} value={draft.system} onChange={chooseSystem} options={TEMPLATES.map(({ system, lacks }) => ({
        value: system, label: t(`guestSystem.${system}`), picture: <SystemIcon icon={iconOfFamily(system)} size={34} />,
        reason: lacks === undefined ? undefined : t(`newMachine.lacks.${lacks}`),
      }))} />
    </>
  );
}

export function HardwareStep({ editor, checked, freeBytes, describe, leave }: StepProps) {
  const { t, i18n } = useTranslation();
  const { draft, change } = editor;
  const size = (bytes: number): string => formatBytes(bytes, i18n.language);
  const name = <TextInput label={t('newMachine.name')} value={checked.name} onChange={(value) => { change({ name: value }); }} hint={t('newMachine.nameHint')} error={describe('name')} onBlur={() => { leave('name'); }} />;
  if (checked.guest !== undefined) {
    return (
      <>
        {name}
        <p className="form-note"><Icon name="info" size={18} />{t('firstRun.bundledFacts', { memory: size(checked.guest.memoryBytes), disk: size(checked.guest.diskBytes) })}</p>
      </>
    );
  }
  const wantsMuch = freeBytes !== undefined && checked.memoryBytes !== undefined && checked.memoryBytes > freeBytes;
  const ways: readonly DiskWay[] = isDiskImage(draft) ? ['import', 'attach'] : ['new', 'attach', 'import', 'none'];
  const hasAdapter = templateOf(draft.system).adapter !== undefined;
  return (
    <>
      {name}
      <div className="form-columns">
        <TextInput label={t('newMachine.memory')} value={draft.memory} onChange={(memory) => { change({ memory }); }} error={describe('memory')} onBlur={() => { leave('memory'); }}
          hint={freeBytes === undefined ? undefined : t(wantsMuch ? 'newMachine.memoryWarning' : 'newMachine.memoryHint', { free: size(freeBytes) })} hintKind={wantsMuch ? 'warning' : 'plain'}
          below={<Presets sizes={MEMORY_PRESETS_BYTES} chosen={checked.memoryBytes} onChoose={(bytes) => { change({ memory: size(bytes) }); }} />} />
        <Segments label={t('newMachine.architecture')} hint={t('newMachine.architectureHint')} value={draft.architecture} onChange={(architecture) => { change({ architecture }); }}
          options={[{ value: 'x86_64', label: t('manager.archX86_64') }, { value: 'i386', label: t('manager.archI386') }]} />
      </div>
      <Segments label={t('newMachine.diskWay')} hint={t(`newMachine.diskWayHints.${draft.diskWay}`)} value={draft.diskWay} onChange={(diskWay) => { change({ diskWay }); }}
        options={ways.map((value) => ({ value, label: t(`newMachine.diskWays.${value}`) }))} />
      {isDiskImage(draft) ? null : draft.diskWay === 'new' ? (
        <TextInput label={t('newMachine.diskSize')} value={draft.disk} onChange={(disk) => { change({ disk }); }} error={describe('disk')} onBlur={() => { leave('disk'); }}
          below={<Presets sizes={DISK_PRESETS_BYTES} chosen={checked.diskBytes} onChoose={(bytes) => { change({ disk: size(bytes) }); }} />} />
      ) : draft.diskWay === 'none' ? null : (
        <PathInput label={t('newMachine.diskImage')} value={draft.diskImage} onChange={(diskImage) => { change({ diskImage }); }} purpose="disk-image" pickTitle={t('newMachine.pickDisk')}
          error={describe('diskImage')} onBlur={() => { if (draft.diskImage !== '') leave('diskImage'); }} />
      )}
      <CheckBox label={t('newMachine.network')} hint={t(hasAdapter ? 'newMachine.networkHint' : 'newMachine.networkNone')} isSelected={draft.network && hasAdapter} isDisabled={!hasAdapter} onChange={(network) => { change({ network }); }} />
    </>
  );
}

export function SummaryStep({ editor: { draft }, checked }: StepProps) {
  const { t, i18n } = useTranslation();
  const size = (bytes: number): string => formatBytes(bytes, i18n.language);
  const { guest } = checked;
  const fileName = (path: string): string => path.split(/[\\/]/).at(-1) ?? path;
  const disk = isDiskImage(draft) ? draft.image : draft.diskImage;
  const rows: readonly (readonly [string, string])[] = [
    [t('newMachine.name'), checked.name],
    [t('newMachine.system'), guest?.title ?? t(`guestSystem.${draft.system}`)],
    [t('newMachine.memory'), size(guest?.memoryBytes ?? checked.memoryBytes ?? 0)],
    [t('newMachine.architecture'), t((guest?.architecture ?? draft.architecture) === 'x86_64' ? 'manager.archX86_64' : 'manager.archI386')],
    [t('newMachine.disk'), guest !== undefined ? size(guest.diskBytes) : t(`newMachine.summaryDisk.${draft.diskWay}`, { size: size(checked.diskBytes ?? 0), path: fileName(disk) })],
    ...(guest !== undefined ? [] : [
      [t('newMachine.summaryDisc'), draft.source === 'image' && !isDiskImage(draft) ? fileName(draft.image) : t('newMachine.none')] as const,
      [t('newMachine.network'), t(`newMachine.summaryNetwork.${draft.network && templateOf(draft.system).adapter !== undefined ? 'on' : 'off'}`)] as const,
    ]),
  ];
  return <dl className="facts">{rows.map(([term, value]) => <div key={term} className="fact"><dt>{term}</dt><dd>{value}</dd></div>)}</dl>;
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

function Presets({ sizes, chosen, onChoose }: { readonly sizes: readonly number[]; readonly chosen: number | undefined; readonly onChoose: (bytes: number) => void }) {
  const { t, i18n } = useTranslation();
  return (
    <div className="presets" role="group" aria-label={t('newMachine.presets')}>
      {sizes.map((bytes) => <Button key={bytes} type="button" className="preset" aria-pressed={bytes === chosen} onPress={() => { onChoose(bytes); }}>{formatBytes(bytes, i18n.language)}</Button>)}
    </div>
  );
}
