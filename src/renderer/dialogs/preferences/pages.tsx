/** The pages of the preferences. A text takes effect when it is left; all else at once. */
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { HOST_KEYS } from '../../../shared/machine-config.ts';
import { QUIT_WAYS, THEMES } from '../../../shared/preferences.ts';
import type { Preferences } from '../../../shared/preferences.ts';
import { AppButton } from '../../components/button.tsx';
import { CheckBox } from '../../components/check-box.tsx';
import { Icon } from '../../components/icon.tsx';
import { PathInput } from '../../components/path-input.tsx';
import { Segments } from '../../components/segments.tsx';
import { ShortcutInput } from '../../components/shortcut-input.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';
import { checkDisk, checkImage, checkMemory } from '../new-machine/check-draft.ts';
import type { Problem } from '../new-machine/check-draft.ts';

const SHORTCUTS = ['fullscreen', 'pause', 'ctrlAltDelete'] as const;

export function GeneralPreferences() {
  const { t } = useTranslation();
  const app = useApp();
  const { language, theme, libraryFolder } = useStore(app.preferences);
  const host = useStore(app.host);
  const inUse = host?.libraryFolder ?? '';
  const [typed, setTyped] = useState(libraryFolder ?? inUse);
  const problem = checkImage(typed);

  const choose = (folder: string): void => {
    setTyped(folder);
    if (checkImage(folder) === undefined && folder.trim() !== (libraryFolder ?? inUse)) void app.savePreferences({ libraryFolder: folder.trim() });
  };

  return (
    <>
      {/* A language is called by its own name, whatever the present one is. */}
      <Segments label={t('preferences.language')} value={language} onChange={(value) => { void app.savePreferences({ language: value }); }}
        options={[{ value: 'system', label: t('preferences.languageSystem') }, { value: 'en', label: 'English' }, { value: 'de', label: 'Deutsch' }]} />
      <Segments label={t('preferences.theme')} value={theme} onChange={(value) => { void app.savePreferences({ theme: value }); }}
        options={THEMES.map((value) => ({ value, label: t(`preferences.themes.${value}`) }))} />
      <PathInput label={t('preferences.libraryFolder')} value={typed} purpose="folder" pickTitle={t('preferences.pickLibrary')}
        onChange={setTyped} onPick={choose} onBlur={() => { choose(typed); }}
        hint={t('preferences.libraryHint')} error={problem === undefined ? undefined : t(problem.key, { minimum: '', maximum: '', total: '', example: '' })} />
      {libraryFolder === null || libraryFolder === inUse ? null : (
        <div className="form-note"><Icon name="info" size={18} /><span>{t('preferences.libraryNextStart', { folder: inUse })}</span>
          <AppButton label={t('preferences.libraryKeep')} onPress={() => { setTyped(inUse); void app.savePreferences({ libraryFolder: null }); }} /></div>
      )}
      {host === undefined ? null : <p className="about">{t('preferences.about', { version: host.version, host: host.hostName })}<br />{t('preferences.cpu', { model: host.cpuModel, cores: host.cores })}</p>}
    </>
  );
}

export function KeyboardPreferences() {
  const { t } = useTranslation();
  const app = useApp();
  const { hostKey, shortcuts } = useStore(app.preferences);
  const hostKeyName = t(`hostKey.${hostKey}`);
  return (
    <>
      <Segments label={t('preferences.hostKey')} hint={t('preferences.hostKeyHint')} value={hostKey} onChange={(value) => { void app.savePreferences({ hostKey: value }); }}
        options={HOST_KEYS.map((value) => ({ value, label: t(`hostKey.${value}`) }))} />
      <div className="field" role="group" aria-label={t('preferences.shortcuts')}>
        <span className="field-label">{t('preferences.shortcuts')}</span>
        {SHORTCUTS.map((name) => (
          <ShortcutInput key={name} label={t(`preferences.shortcut.${name}`)} hostKey={hostKeyName} value={shortcuts[name]}
            onChange={(code) => { void app.savePreferences({ shortcuts: { ...shortcuts, [name]: code } }); }}
            refuse={(code) => {
              const other = SHORTCUTS.find((candidate) => candidate !== name && shortcuts[candidate] === code);
              return other === undefined ? undefined : t('preferences.shortcutTaken', { what: t(`preferences.shortcut.${other}`) });
            }} />
        ))}
      </div>
      <p className="field-hint">{t('manager.listHint')}</p>
    </>
  );
}

export function NewMachinePreferences() {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const { newMachine } = useStore(app.preferences);
  const host = useStore(app.host);
  const size = (bytes: number): string => formatBytes(bytes, i18n.language);
  const [memory, setMemory] = useState(size(newMachine.memoryBytes));
  const [disk, setDisk] = useState(size(newMachine.diskBytes));
  const [checkedMemory, checkedDisk] = [checkMemory(memory, host?.memoryBytes), checkDisk(disk)];
  const save = (changes: Partial<Preferences['newMachine']>): void => { void app.savePreferences({ newMachine: { ...newMachine, ...changes } }); };
  const describe = (problem: Problem | undefined, example: string): string | undefined => {
    if (problem === undefined) return undefined;
    const { minimum = 0, maximum = 0, total = 0 } = problem.sizes ?? {};
    return t(problem.key, { minimum: size(minimum), maximum: size(maximum), total: size(total), example });
  };
  return (
    <>
      <p className="field-hint">{t('preferences.newMachineText')}</p>
      <TextInput label={t('newMachine.memory')} value={memory} onChange={setMemory} error={describe(checkedMemory.problem, '512 MiB')} onBlur={() => { if (checkedMemory.value !== undefined) save({ memoryBytes: checkedMemory.value }); }} />
      <TextInput label={t('newMachine.diskSize')} value={disk} onChange={setDisk} error={describe(checkedDisk.problem, '8 GiB')} onBlur={() => { if (checkedDisk.value !== undefined) save({ diskBytes: checkedDisk.value }); }} />
      <CheckBox label={t('newMachine.network')} hint={t('newMachine.networkHint')} isSelected={newMachine.network} onChange={(network) => { save({ network }); }} />
      <CheckBox label={t('newMachine.expert')} hint={t('preferences.expertHint')} isSelected={newMachine.expert} onChange={(expert) => { save({ expert }); }} />
    </>
  );
}

export function QuittingPreferences() {
  const { t } = useTranslation();
  const app = useApp();
  const { whenQuitting, stayInTray } = useStore(app.preferences);
  return (
    <>
      <Segments label={t('preferences.whenQuitting')} hint={t(`preferences.quitWayHints.${whenQuitting}`)} value={whenQuitting} onChange={(value) => { void app.savePreferences({ whenQuitting: value }); }}
        options={QUIT_WAYS.map((value) => ({ value, label: t(`preferences.quitWays.${value}`) }))} />
      <CheckBox label={t('preferences.stayInTray')} hint={t('preferences.stayInTrayHint')} isSelected={stayInTray} onChange={(value) => { void app.savePreferences({ stayInTray: value }); }} />
      {app.shell.kind === 'browser' ? <p className="form-note"><Icon name="info" size={18} />{t('preferences.desktopOnly')}</p> : null}
    </>
  );
}

export function PrivacyPreferences() {
  const { t } = useTranslation();
  const app = useApp();
  const { rememberRecent } = useStore(app.preferences);
  return (
    <>
      <p className="form-note"><Icon name="shield" size={18} />{t('preferences.privacyText')}</p>
      <CheckBox label={t('preferences.rememberRecent')} hint={t('preferences.rememberRecentHint')} isSelected={rememberRecent} onChange={(value) => { void app.savePreferences({ rememberRecent: value }); }} />
    </>
  );
}
