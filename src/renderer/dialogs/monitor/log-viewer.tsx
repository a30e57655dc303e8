import { useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { MachineError } from '../../../shared/result.ts';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { SearchInput } from '../../components/search-input.tsx';
import { Segments } from '../../components/segments.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';

const LINES = 5000;
const LEVELS = ['all', 'warning', 'error'] as const;
type Level = (typeof LEVELS)[number];

function hasLevel(line: string, level: Level): boolean {
  return level === 'all' || (level === 'error' ? /\berror\b/ : /\b(?:warning|error)\b/).test(line);
}

/** The end of one machine's log, by level and by words. */
export function LogViewer() {
  const { t } = useTranslation();
  const app = useApp();
  const { entries } = useStore(app.library);
  const [name, setName] = useState(entries[0]?.name ?? '');
  const [query, setQuery] = useState('');
  const [level, setLevel] = useState<Level>('all');
  const [lines, setLines] = useState<readonly string[]>([]);
  const [error, setError] = useState<MachineError>();
  const read = useCallback(async (): Promise<void> => {
    if (name === '') return;
    const answer = await app.shell.client.machines.logs({ name, lines: LINES });
    setError(answer.ok ? undefined : answer.error);
    setLines(answer.ok ? answer.value.lines : []);
  }, [app, name]);
  useEffect(() => { void read(); }, [read]);

  const words = query.toLowerCase().split(/\s+/);
  const shown = lines.filter((line) => hasLevel(line, level) && words.every((word) => line.toLowerCase().includes(word)));
  return (
    <>
      <div className="form-columns">
        <SelectInput label={t('monitor.machine')} value={name} onChange={setName} options={entries.map((entry) => ({ value: entry.name, label: entry.name }))} />
        <Segments label={t('monitor.level')} value={level} onChange={setLevel} options={LEVELS.map((value) => ({ value, label: t(`monitor.levels.${value}`) }))} />
      </div>
      <div className="log-view-bar"><SearchInput label={t('monitor.filter')} value={query} onChange={setQuery} /><AppButton label={t('machine.refresh')} icon="reset" kind="quiet" onPress={() => { void read(); }} /></div>
      {error === undefined ? null : <ErrorNotice error={error} />}
      {shown.length === 0
        ? <p className="field-hint" role="status">{lines.length === 0 ? t('machine.logEmpty') : t('monitor.nothingMatches')}</p>
        : <pre className="log-text monitor-log" tabIndex={0} aria-label={t('machine.log')}>{shown.join('\n')}</pre>}
    </>
  );
}
