import { useTranslation } from 'react-i18next';
import { BOOT_ORDER_DEFAULT, type BootDevice } from '../../../shared/boot-order.ts';
import { ACCELERATORS, CPU_LIMIT_PERCENT_MINIMUM } from '../../../shared/machine-config.ts';
import { MEMORY_BYTES_MAXIMUM, MEMORY_BYTES_MINIMUM } from '../../../shared/sizes.ts';
import { CheckBox } from '../../components/check-box.tsx';
import { Segments } from '../../components/segments.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';
import { useDraft } from './draft.ts';
import { MemorySetting, NumberSetting, PathSetting, TextSetting } from './fields.tsx';
import { RtcSetting } from './rtc-setting.tsx';

/** What an accelerator that isn't there would do nothing for. */
const OFFERED = ACCELERATORS.filter((accelerator) => accelerator !== 'kvm');
const PACE_DEFAULT = 100;

export function SystemPage() {
  const { t, i18n } = useTranslation();
  const { draft, saved, set, reason } = useDraft();
  const host = useStore(useApp().host);
  const size = (bytes: number): string => formatBytes(bytes, i18n.language);
  const { mode } = draft.time;
  const accelerators = saved.accelerator === 'kvm' ? ACCELERATORS : OFFERED;
  const timeReason = reason('time.mode');
  return (
    <>
      <div className="form-columns">
        <MemorySetting path="memoryBytes" label={t('newMachine.memory')} value={draft.memoryBytes}
          hint={host === undefined ? t('settings.memoryRange', { minimum: size(MEMORY_BYTES_MINIMUM), maximum: size(MEMORY_BYTES_MAXIMUM) }) : t('newMachine.memoryHint', { free: size(host.freeMemoryBytes) })} />
        <NumberSetting path="cpuLimitPercent" label={t('settings.cpuLimit')} value={draft.cpuLimitPercent} hint={t('settings.cpuLimitHint', { minimum: CPU_LIMIT_PERCENT_MINIMUM })} />
      </div>
      <div className="form-columns">
        <Segments label={t('newMachine.architecture')} value={draft.architecture} onChange={(value) => { set('architecture', value); }}
          options={[{ value: 'x86_64', label: t('manager.archX86_64') }, { value: 'i386', label: t('manager.archI386') }]} />
        <SelectInput label={t('manager.accelerator')} value={draft.accelerator} onChange={(value) => { set('accelerator', value); }} hint={t('settings.acceleratorHint')}
          options={accelerators.map((value) => ({ value, label: t(`manager.acceleratorName.${value}`) }))} />
      </div>
      <BootOrder />
      <div className="form-columns">
        <Segments label={t('settings.onReset')} value={draft.onReset} onChange={(value) => { set('onReset', value); }} hint={t('settings.onResetHint')}
          options={[{ value: 'reboot', label: t('settings.onResetReboot') }, { value: 'stop', label: t('settings.onResetStop') }]} />
        <RtcSetting />
      </div>
      <Segments label={t('settings.time')} value={mode === 'host' ? 'host' : 'instructions'} hint={t(mode === 'host' ? 'settings.timeHostHint' : 'settings.timeInstructionsHint')}
        onChange={(value) => { set('time.mode', value === 'host' ? 'host' : { instructionsPerMicrosecond: PACE_DEFAULT }); }}
        options={[{ value: 'host', label: t('settings.timeHost') }, { value: 'instructions', label: t('settings.timeInstructions') }]} />
      {timeReason === undefined ? null : <p className="field-error">{timeReason}</p>}
      {mode === 'host' ? null : (
        <div className="form-columns">
          <NumberSetting path="time.mode.instructionsPerMicrosecond" label={t('settings.pace')} value={mode.instructionsPerMicrosecond} hint={t('settings.paceHint')} />
          <NumberSetting path="time.seed" label={t('settings.seed')} value={draft.time.seed} isOptional hint={t('settings.seedHint')} />
        </div>
      )}
      {draft.bundledGuest === undefined ? <DirectBoot /> : null}
    </>
  );
}

/** Those that people want; a machine may come with another. */
const BOOT_ORDERS: readonly string[] = ['hd,cd', 'cd,hd', 'net,hd,cd', 'hd,cd,net', 'hd', 'cd', 'net'];

function BootOrder() {
  const { t } = useTranslation();
  const { draft, set } = useDraft();
  const order = (draft.bootOrder.length === 0 ? BOOT_ORDER_DEFAULT : draft.bootOrder).join();
  const lacksAdapter = order.includes('net') && draft.adapters.every(({ model }) => model === 'ne2000-isa');
  const hint = draft.bundledGuest !== undefined ? t('settings.bootBundled') : draft.directBoot !== undefined ? t('settings.bootDirect') : lacksAdapter ? t('settings.bootNoAdapter') : undefined;
  return (
    <SelectInput label={t('settings.bootOrder')} value={order} onChange={(value) => { set('bootOrder', value.split(',')); }} hint={hint}
      options={[...new Set([...BOOT_ORDERS, order])].map((value) => ({ value, label: value.split(',').map((device) => t(`manager.bootDevice.${device as BootDevice}`)).join(' → ') }))} />
  );
}

/** Linux without firmware menus and boot loader. */
function DirectBoot() {
  const { t } = useTranslation();
  const { draft, set } = useDraft();
  const { directBoot } = draft;
  return (
    <fieldset className="form group">
      <CheckBox label={t('settings.directBoot')} hint={t('settings.directBootHint')} isSelected={directBoot !== undefined}
        onChange={(isSelected) => { set('directBoot', isSelected ? { kernel: '', commandLine: 'console=ttyS0 console=tty0' } : undefined); }} />
      {directBoot === undefined ? null : (
        <>
          <PathSetting path="directBoot.kernel" label={t('settings.kernel')} value={directBoot.kernel} purpose="kernel" title={t('settings.pickKernel')} />
          <PathSetting path="directBoot.initrd" label={t('settings.initrd')} value={directBoot.initrd} purpose="any" isOptional title={t('settings.pickInitrd')} />
          <TextSetting path="directBoot.commandLine" label={t('settings.commandLine')} value={directBoot.commandLine} />
        </>
      )}
    </fieldset>
  );
}

