/** Controllers and what hangs on them, and beside them what is chosen. */
import { useState } from 'react';
import { Header, ListBox, ListBoxItem, ListBoxSection, Text } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { BUS_NAMES, DISC_BUSES, DISK_BUSES, DRIVES_MAXIMUM, type DiskBus } from '../../../shared/disk-bus.ts';
import { DISK_FORMATS } from '../../../shared/disk-format.ts';
import { AppButton } from '../../components/button.tsx';
import { CheckBox } from '../../components/check-box.tsx';
import { Icon } from '../../components/icon.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { usePickFile } from '../file-browser/path-input.tsx';
import { useDraft } from './draft.ts';
import { PathSetting, RateSetting } from './fields.tsx';
import { fileName, formatOfName } from './file-names.ts';
import { NewDiskDialog } from './new-disk-dialog.tsx';

const BUS_HINT = { ide: 'busIde', ahci: 'busAhci', virtio: 'busVirtio' } as const;
const DISKS_MAXIMUM = 8;
const DISC_DRIVES_MAXIMUM = 4;

export function StoragePage() {
  const { t } = useTranslation();
  const { draft, set, isOn } = useDraft();
  const { disks, cdroms } = draft;
  const [chosen, setChosen] = useState<string>();
  const [isMaking, setMaking] = useState(false);
  const hasPlace = (bus: DiskBus): boolean => [...disks, ...cdroms].filter((drive) => drive.bus === bus).length < DRIVES_MAXIMUM[bus];
  const discBus = DISC_BUSES.find(hasPlace);

  const attach = (path: string, format: (typeof DISK_FORMATS)[number]): void => {
    const bus = DISK_BUSES.find(hasPlace) ?? 'ide';
    set('disks', [...disks, { path, format, bus, readOnly: false, discardChanges: false, backingFolders: [] }]);
    setChosen(`disks.${disks.length}`);
  };
  const picker = usePickFile(t('settings.pickDisk'), 'disk-image', (path) => { attach(path, formatOfName(path)); });
  const items = [
    ...disks.map(({ path, bus }, index) => ({ id: `disks.${index}`, bus, icon: 'disk' as const, label: path === '' ? t('settings.diskItem') : fileName(path), text: t('settings.diskItem') })),
    ...cdroms.map(({ path, bus }, index) => ({ id: `cdroms.${index}`, bus, icon: 'disc' as const, label: path === undefined ? t('settings.emptyDrive') : fileName(path), text: t('settings.discItem') })),
  ];
  const present = items.some(({ id }) => id === chosen) ? chosen : items[0]?.id;
  const sections = DISK_BUSES.map((bus) => ({ bus, label: t(`settings.${bus}`), items: items.filter((item) => item.bus === bus) })).filter((section) => section.items.length > 0);

  return (
    <div className="storage">
      <div className="storage-tree">
        {items.length === 0 ? <p className="field-hint">{t('settings.noMedia')}</p> : (
          <ListBox className="file-list media-list" aria-label={t('settings.controllers')} selectionMode="single" selectionBehavior="replace" disallowEmptySelection selectedKeys={present === undefined ? [] : [present]}
            onSelectionChange={(keys) => {
              const [key] = keys === 'all' ? [] : [...keys];
              if (typeof key === 'string') setChosen(key);
            }}>
            {sections.map((section) => (
              <ListBoxSection key={section.bus}>
                <Header className="list-header"><Icon name="chip" size={16} />{section.label}</Header>
                {section.items.map((item) => (
                  <ListBoxItem key={item.id} id={item.id} textValue={`${item.text} ${item.label}`} className="file-item media-item">
                    <Icon name={item.icon} size={18} />
                    <Text slot="label">{item.label}</Text>
                  </ListBoxItem>
                ))}
              </ListBoxSection>
            ))}
          </ListBox>
        )}
        <div className="storage-actions">
          <AppButton label={t('settings.createDisk')} icon="plus" isDisabled={disks.length >= DISKS_MAXIMUM} onPress={() => { setMaking(true); }} />
          <AppButton label={t('settings.attachDisk')} icon="disk" isDisabled={disks.length >= DISKS_MAXIMUM} onPress={picker.pick} />
          <AppButton label={t('settings.addDrive')} icon="disc" isDisabled={cdroms.length >= DISC_DRIVES_MAXIMUM || discBus === undefined || isOn}
            onPress={() => { set('cdroms', [...cdroms, { bus: discBus ?? 'ide' }]); setChosen(`cdroms.${cdroms.length}`); }} />
        </div>
      </div>
      <div className="form storage-detail">
        {present === undefined ? null : present.startsWith('disks.') ? <DiskDetail key={present} index={Number(present.slice(6))} /> : <DriveDetail key={present} index={Number(present.slice(7))} />}
      </div>
      {picker.browser}
      {isMaking ? <NewDiskDialog onClose={() => { setMaking(false); }} onMade={(path, format) => { attach(path, format); }} /> : null}
    </div>
  );
}

function DiskDetail({ index }: { readonly index: number }) {
  const { t } = useTranslation();
  const { draft, set, reason } = useDraft();
  const disk = draft.disks[index];
  if (disk === undefined) return null;
  const at = `disks.${index}`;
  return (
    <>
      <PathSetting path={`${at}.path`} label={t('settings.image')} value={disk.path} purpose="disk-image" title={t('settings.pickDisk')} />
      <div className="form-columns">
        <SelectInput label={t('settings.format')} value={disk.format} onChange={(value) => { set(`${at}.format`, value); }} options={DISK_FORMATS.map((value) => ({ value, label: value }))} />
        <SelectInput label={t('settings.bus')} value={disk.bus} onChange={(value) => { set(`${at}.bus`, value); }} hint={reason(`${at}.bus`)}
          options={DISK_BUSES.map((value) => ({ value, label: BUS_NAMES[value], hint: t(`settings.${BUS_HINT[value]}`) }))} />
      </div>
      <CheckBox label={t('settings.readOnly')} isSelected={disk.readOnly} onChange={(isSelected) => { set(`${at}.readOnly`, isSelected); }} />
      <CheckBox label={t('settings.discardChanges')} hint={t('settings.discardChangesHint')} isSelected={disk.discardChanges} isDisabled={disk.readOnly} onChange={(isSelected) => { set(`${at}.discardChanges`, isSelected); }} />
      <RateSetting path={`${at}.bytesPerSecondMaximum`} label={t('settings.diskRate')} value={disk.bytesPerSecondMaximum} />
      <Removal onRemove={() => { set('disks', draft.disks.filter((_, other) => other !== index)); }} />
    </>
  );
}

function DriveDetail({ index }: { readonly index: number }) {
  const { t } = useTranslation();
  const { draft, set, isOn, reason } = useDraft();
  const drive = draft.cdroms[index];
  if (drive === undefined) return null;
  const at = `cdroms.${index}.path`;
  return (
    <>
      <PathSetting path={at} label={t('newMachine.image')} value={drive.path} purpose="cd-image" isOptional title={t('newMachine.pickImage')} hint={t('newMachine.imageHint')} />
      {isOn ? null : (
        <SelectInput label={t('settings.bus')} value={drive.bus} onChange={(value) => { set(`cdroms.${index}.bus`, value); }} hint={reason(`cdroms.${index}.bus`)}
          options={DISC_BUSES.map((value) => ({ value, label: BUS_NAMES[value], hint: t(`settings.${BUS_HINT[value]}`) }))} />
      )}
      <div className="storage-actions"><AppButton label={t('settings.eject')} icon="eject" isDisabled={drive.path === undefined} onPress={() => { set(at, undefined); }} /></div>
      {isOn ? null : <Removal onRemove={() => { set('cdroms', draft.cdroms.filter((_, other) => other !== index)); }} />}
    </>
  );
}

function Removal({ onRemove }: { readonly onRemove: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="removal">
      <AppButton label={t('settings.remove')} icon="trash" kind="danger" onPress={onRemove} />
      <span className="field-hint">{t('settings.removeHint')}</span>
    </div>
  );
}
