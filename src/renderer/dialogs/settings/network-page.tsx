import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Input, Label, TextField, FieldError } from 'react-aria-components';
import { ADAPTER_MODELS, ADAPTERS_MAXIMUM, macAddressOf, NETWORK_MODES, parseAllowedTarget, REACHES } from '../../../shared/network-config.ts';
import type { AdapterConfig, AllowedTargetConfig } from '../../../shared/network-config.ts';
import { AppButton } from '../../components/button.tsx';
import { CheckBox } from '../../components/check-box.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { useDraft } from './draft.ts';
import { DecimalSetting, PathSetting, RateSetting, TextSetting } from './fields.tsx';
import { ForwardTable } from './forward-table.tsx';
import { targetText } from './target-text.ts';

const NEW_ADAPTER: AdapterConfig = { model: 'virtio', reach: 'internet', allow: [], forwards: [], connected: true, mode: 'nat', network: 'default', delayMillis: 0, jitterMillis: 0, lossPercent: 0 };

export function NetworkPage() {
  const { t } = useTranslation();
  const { draft, set, reason } = useDraft();
  const { adapters } = draft;
  return (
    <>
      {adapters.length === 0 ? <p className="field-hint">{t('settings.noAdapters')}</p> : null}
      {adapters.map((_, index) => <AdapterCard key={index} index={index} />)}
      <div className="storage-actions">
        <AppButton label={t('settings.addAdapter')} icon="plus" isDisabled={adapters.length >= ADAPTERS_MAXIMUM} onPress={() => { set('adapters', [...adapters, NEW_ADAPTER]); }} />
      </div>
      {reason('time.mode') === undefined ? null : <p className="field-error">{reason('time.mode')}</p>}
    </>
  );
}

function AdapterCard({ index }: { readonly index: number }) {
  const { t } = useTranslation();
  const { draft, entry, set, reason } = useDraft();
  const adapter = draft.adapters[index];
  if (adapter === undefined) return null;
  const at = `adapters.${index}`;
  const number = index + 1;
  return (
    <section className="form group" aria-label={t('settings.adapter', { number })}>
      <header className="group-header">
        <h3>{t('settings.adapter', { number })}</h3>
        <AppButton label={t('settings.removeAdapter', { number })} icon="trash" iconOnly kind="quiet" onPress={() => { set('adapters', draft.adapters.filter((_, other) => other !== index)); }} />
      </header>
      <CheckBox label={t('settings.cable')} hint={t('settings.cableHint')} isSelected={adapter.connected} onChange={(isSelected) => { set(`${at}.connected`, isSelected); }} />
      <div className="form-columns">
        <SelectInput label={t('settings.model')} value={adapter.model} onChange={(value) => { set(`${at}.model`, value); }} hint={reason(`${at}.model`) ?? t(`settings.modelHint.${adapter.model}`)}
          options={ADAPTER_MODELS.map((value) => ({ value, label: value, hint: t(`settings.modelHint.${value}`) }))} />
        <TextSetting path={`${at}.mac`} label={t('settings.mac')} value={adapter.mac} isOptional hint={t('settings.macHint', { mac: macAddressOf(entry.name, index) })} />
      </div>
      <div className="form-columns">
        <SelectInput label={t('settings.mode')} value={adapter.mode} onChange={(value) => { set(`${at}.mode`, value); }} hint={t(`settings.modeHint.${adapter.mode}`)}
          options={NETWORK_MODES.map((value) => ({ value, label: t(`settings.modeName.${value}`), hint: t(`settings.modeHint.${value}`) }))} />
        {isShared(adapter) ? <TextSetting path={`${at}.network`} label={t('settings.networkName')} value={adapter.network} hint={t('settings.networkNameHint')} /> : null}
      </div>
      {hasWayOut(adapter) ? <ReachSetting index={index} /> : null}
      {hasWayOut(adapter) ? <AllowList index={index} /> : null}
      {adapter.mode === 'internal' ? null : <ForwardTable index={index} />}
      {adapter.mode === 'internal' ? null : (
        <fieldset className="link-quality">
          <legend>{t('settings.netboot')}</legend>
          <p className="field-hint">{t('settings.netbootHint')}</p>
          <div className="form-columns">
            <PathSetting path={`${at}.bootFolder`} label={t('settings.bootFolder')} value={adapter.bootFolder} purpose="folder" isOptional title={t('settings.pickBootFolder')} hint={t('settings.bootFolderHint')} />
            <TextSetting path={`${at}.bootFile`} label={t('settings.bootFile')} value={adapter.bootFile} isOptional hint={t('settings.bootFileHint')} />
          </div>
        </fieldset>
      )}
      <fieldset className="link-quality">
        <legend>{t('settings.link')}</legend>
        <p className="field-hint">{t('settings.linkHint')}</p>
        <div className="form-columns">
          <RateSetting path={`${at}.bytesPerSecondMaximum`} label={t('settings.netRate')} value={adapter.bytesPerSecondMaximum} />
          <DecimalSetting path={`${at}.lossPercent`} label={t('settings.loss')} value={adapter.lossPercent} />
          <DecimalSetting path={`${at}.delayMillis`} label={t('settings.delay')} value={adapter.delayMillis} />
          <DecimalSetting path={`${at}.jitterMillis`} label={t('settings.jitter')} value={adapter.jitterMillis} />
        </div>
      </fieldset>
    </section>
  );
}

/** With machines of the same network name. */
function isShared({ mode }: AdapterConfig): boolean {
  return mode === 'nat-network' || mode === 'internal';
}

/** Elsewhere nothing leads out that could be allowed. */
function hasWayOut({ mode }: AdapterConfig): boolean {
  return mode === 'nat' || mode === 'nat-network';
}

export function ReachSetting({ index, label }: { readonly index: number; readonly label?: string }) {
  const { t } = useTranslation();
  const { draft, set } = useDraft();
  const adapter = draft.adapters[index];
  if (adapter === undefined) return null;
  return (
    <SelectInput label={label ?? t('settings.reach')} value={adapter.reach} onChange={(value) => { set(`adapters.${index}.reach`, value); }} hint={t(`settings.reachHint.${adapter.reach}`)}
      options={REACHES.map((value) => ({ value, label: t(`settings.reachName.${value}`), hint: t(`settings.reachHint.${value}`) }))} />
  );
}

/** Targets as chips, and a line to type the next into. */
function AllowList({ index }: { readonly index: number }) {
  const { t } = useTranslation();
  const { draft, set } = useDraft();
  const [typed, setTyped] = useState('');
  const [isWrong, setWrong] = useState(false);
  const adapter = draft.adapters[index];
  if (adapter === undefined || adapter.reach === 'nothing') return null;
  const at = `adapters.${index}.allow`;
  const add = (): void => {
    if (typed.trim() === '') return;
    const target = parseAllowedTarget(typed.trim());
    setWrong(!target.ok);
    if (!target.ok) return;
    set(at, [...adapter.allow, target.value]);
    setTyped('');
  };
  return (
    <div className="field">
      {adapter.allow.length === 0 ? null : (
        <ul className="chips" aria-label={t('settings.allow')}>
          {adapter.allow.map((target: AllowedTargetConfig, item) => (
            <li key={item} className="chip">
              {targetText(target)}
              <AppButton label={t('settings.removeAllow', { target: targetText(target) })} icon="close" iconOnly kind="quiet" onPress={() => { set(at, adapter.allow.filter((_, other) => other !== item)); }} />
            </li>
          ))}
        </ul>
      )}
      <TextField className="field" value={typed} onChange={(text) => { setTyped(text); setWrong(false); }} isInvalid={isWrong} validationBehavior="aria">
        <Label className="field-label">{t('settings.allow')}</Label>
        <div className="field-line">
          <Input className="input" spellCheck={false} autoComplete="off" onKeyDown={(event) => {
            if (event.key !== 'Enter') return;
            event.preventDefault();
            add();
          }} />
          <AppButton label={t('settings.addAllow')} icon="plus" onPress={add} />
        </div>
        {isWrong ? <FieldError className="field-error">{t('settingsProblem.target')}</FieldError> : <span className="field-hint">{t('settings.allowHint')}</span>}
      </TextField>
    </div>
  );
}
