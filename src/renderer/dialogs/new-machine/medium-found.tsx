import { useTranslation } from 'react-i18next';
import type { MediumFacts } from '../../../shared/medium-facts.ts';
import { Icon } from '../../components/icon.tsx';
import { iconOfFamily, SystemIcon } from '../../components/machine-icon.tsx';
import { formatBytes } from '../../i18n/format.ts';

/** What an image turned out to be, and whether it can be started from. */
export function MediumFound({ facts }: { readonly facts: MediumFacts }) {
  const { t, i18n } = useTranslation();
  const { kind, format, bytes, volumeId, partitions, startsFrom, system, title } = facts;
  const what = title ?? (system === undefined ? t('newMachine.unknownSystem') : t(`guestSystem.${system}`));
  const details = [
    t('newMachine.factFormat', { format: format === 'iso' ? 'ISO 9660' : format, size: formatBytes(bytes, i18n.language) }),
    ...(volumeId === undefined ? [] : [t('newMachine.factVolume', { volume: volumeId })]),
    ...(partitions.length === 0 ? [] : [t('newMachine.factPartitions', { number: partitions.length })]),
  ];
  const warning = startsFrom.includes('bios') ? undefined : startsFrom.includes('uefi') ? t('newMachine.startsUefiOnly') : t('newMachine.startsNothing');
  return (
    <div className="medium-found" role="status">
      <SystemIcon icon={iconOfFamily(system ?? 'other')} size={40} />
      <div>
        <strong>{t(kind === 'disc' ? 'newMachine.foundDisc' : 'newMachine.foundDisk', { title: what })}</strong>
        <p>{details.join(' · ')}</p>
        {warning === undefined ? null : <p className="medium-warning"><Icon name="alert" size={16} />{warning}</p>}
      </div>
    </div>
  );
}
