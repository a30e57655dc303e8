/** The generations of a machine's replica, newest first; each can become a machine of its own. */
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { GenerationFacts } from '../../../shared/media-protocol.ts';
import { AppButton } from '../../components/button.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';
import { useJob } from './use-job.tsx';

const TYPED_MILLIS = 400;

/** `folder` is the replica's. */
export function GenerationList({ name, folder, onRestored }: { readonly name: string; readonly folder: string; readonly onRestored: () => void }) {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const { client } = app.shell;
  const { entries } = useStore(app.library);
  const job = useJob(t('exchange.restoring'));
  const [generations, setGenerations] = useState<readonly GenerationFacts[]>([]);
  useEffect(() => {
    let isCurrent = true;
    setGenerations([]);
    if (folder === '') return undefined;
    // A folder that is being typed is no replica yet.
    const typed = setTimeout(() => {
      void client.replicas.list({ folder }).then((answer) => { if (isCurrent && answer.ok) setGenerations(answer.value.generations.toReversed()); });
    }, TYPED_MILLIS);
    return () => {
      isCurrent = false;
      clearTimeout(typed);
    };
  }, [client, folder]);
  if (generations.length === 0) return null;

  const timeOf = ({ takenAt }: GenerationFacts): string => new Intl.DateTimeFormat(i18n.language, { dateStyle: 'medium', timeStyle: 'short' }).format(takenAt);
  const restore = async (generation: GenerationFacts): Promise<void> => {
    const stem = `${name} ${new Date(generation.takenAt).toISOString().slice(0, 16).replace('T', ' ').replace(':', '.')}`;
    const taken = new Set(entries.map((entry) => entry.name));
    let newName = stem;
    for (let number = 2; taken.has(newName); number++) newName = `${stem} ${number}`;
    const made = await job.run((id) => client.replicas.restore({ folder, generation: generation.id, name: newName, id }));
    if (made === undefined) return;
    onRestored();
    await app.refreshLibrary();
    go({ window: 'manager', selected: made.name });
  };
  return (
    <section aria-label={t('exchange.generations')}>
      <p className="field-label">{t('exchange.generations')}</p>
      <ul className="generations">
        {generations.map((generation) => (
          <li key={generation.id}>
            <span>{t('exchange.generation', { time: timeOf(generation), size: formatBytes(generation.newBytes, i18n.language) })}</span>
            <AppButton label={t('exchange.restoreGeneration')} isDisabled={job.isRunning} onPress={() => { void restore(generation); }} />
          </li>
        ))}
      </ul>
      {job.shown}
    </section>
  );
}
