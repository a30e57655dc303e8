import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { AppButton } from '../../components/button.tsx';
import { iconOf, SystemIcon } from '../../components/machine-icon.tsx';
import { MenuButton } from '../../components/menu-button.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { ConfirmSeveral } from '../../dialogs/confirm/confirm-several.tsx';
import type { SeveralQuestion } from '../../dialogs/confirm/confirm-several.tsx';
import { DescriptionDialog } from '../../dialogs/description/description-dialog.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { possibleActions } from '../../state/machine-actions.ts';
import type { Possible } from '../../state/machine-actions.ts';

/** What can be done with all the selected machines; each button counts those that it is for. */
export function SeveralMachines({ entries, onDeleted }: { readonly entries: readonly LibraryEntry[]; readonly onDeleted: () => void }) {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const [question, setQuestion] = useState<SeveralQuestion>();
  const [isDescribing, setDescribing] = useState(false);
  const able = (action: keyof Possible): string[] => entries.filter((entry) => possibleActions(entry)[action]).map(({ name }) => name);
  const [savable, startable, pausable, resumable, stoppable, endable, resettable, deletable] = [able('save'), able('start'), able('pause'), able('resume'), able('shutDown'), able('powerOff'), able('reset'), able('delete')];
  const memory = entries.reduce((sum, { config }) => sum + (config?.memoryBytes ?? 0), 0);
  const counted = (action: 'start' | 'pause' | 'resume' | 'reset' | 'delete', names: readonly string[]): string => (
    names.length === 0 ? t(`action.${action}`) : t(`manager.${action}Several`, { number: names.length }));
  const each = (names: readonly string[], act: (name: string) => Promise<boolean>): void => { void inTurn(names, act); };

  return (
    <article className="details" aria-labelledby="several-title">
      <header className="details-header">
        <div>
          <h2 id="several-title">{t('manager.several', { number: entries.length })}</h2>
          <p className="details-state">{t('manager.severalMemory', { memory: formatBytes(memory, i18n.language) })}</p>
        </div>
        <div className="controls" role="group" aria-label={t('manager.severalActions')}>
          <AppButton label={counted('start', startable)} icon="play" kind="primary" isDisabled={startable.length === 0} onPress={() => { each(startable, (name) => app.start(name)); }} />
          {resumable.length > 0 ? <AppButton label={counted('resume', resumable)} icon="play" onPress={() => { each(resumable, (name) => app.resume(name)); }} /> : null}
          <AppButton label={counted('pause', pausable)} icon="pause" isDisabled={pausable.length === 0} onPress={() => { each(pausable, (name) => app.pause(name)); }} />
          <MenuButton label={t('action.stop')} icon="power" isDisabled={endable.length === 0} groups={[[
            { id: 'save', label: t('action.save'), hint: t('action.saveHint'), icon: 'save', isDisabled: savable.length === 0, onAction: () => { each(savable, (name) => app.save(name)); } },
            { id: 'shut-down', label: t('action.shutDown'), hint: t('action.shutDownHint'), icon: 'power', isDisabled: stoppable.length === 0, onAction: () => { each(stoppable, (name) => app.shutDown(name)); } },
            { id: 'power-off', label: t('action.powerOff'), hint: t('action.powerOffHint'), icon: 'stop', isDanger: true, onAction: () => { setQuestion({ kind: 'powerOff', names: endable }); } },
          ]]} />
          <AppButton label={counted('reset', resettable)} icon="reset" isDisabled={resettable.length === 0} onPress={() => { setQuestion({ kind: 'reset', names: resettable }); }} />
          <AppButton label={t('manager.describeSeveral')} icon="tag" onPress={() => { setDescribing(true); }} />
          <AppButton label={counted('delete', deletable)} icon="trash" kind="danger" isDisabled={deletable.length === 0} onPress={() => { setQuestion({ kind: 'delete', names: deletable }); }} />
        </div>
      </header>
      <ul className="several-list" aria-label={t('manager.severalList')}>
        {entries.map((entry) => (
          <li key={entry.name}><SystemIcon icon={iconOf(entry)} size={30} /><span className="several-name">{entry.name}</span><StateBadge entry={entry} size="small" /></li>
        ))}
      </ul>
      {question === undefined ? null : <ConfirmSeveral question={question} onClose={() => { setQuestion(undefined); }} onDeleted={onDeleted} />}
      {isDescribing ? <DescriptionDialog entries={entries} onClose={() => { setDescribing(false); }} /> : null}
    </article>
  );
}

/** One after the other: a class of machines that all start at once would starve each other. */
async function inTurn(names: readonly string[], act: (name: string) => Promise<boolean>): Promise<void> {
  for (const name of names) await act(name);
}
