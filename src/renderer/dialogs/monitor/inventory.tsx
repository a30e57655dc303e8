import { useTranslation } from 'react-i18next';
import { AppButton } from '../../components/button.tsx';
import { stateText } from '../../components/state-badge.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';
import { csvOf } from './rates.ts';

const COLUMNS = ['name', 'state', 'group', 'system', 'architecture', 'memory', 'disks', 'network', 'tags'] as const;

/** All machines of the library as a table, and as files for other programs. */
export function Inventory() {
  const { t, i18n } = useTranslation();
  const { entries } = useStore(useApp().library);
  const facts = entries.map((entry) => ({ entry, name: entry.name, state: entry.status.state, group: entry.config?.group ?? '', system: entry.config?.guestSystem, architecture: entry.config?.architecture, memoryBytes: entry.config?.memoryBytes,
    disks: entry.config?.disks.map(({ path }) => path) ?? [], adapters: entry.config?.adapters.map(({ model, reach }) => ({ model, reach })) ?? [], tags: entry.config?.tags ?? [], folder: entry.folder }));

  const save = (content: string, type: string, ending: string): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = `guesthouse-inventory.${ending}`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const asJson = (): void => { save(`${JSON.stringify(facts.map(({ entry: _, ...fact }) => fact), null, 2)}\n`, 'application/json', 'json'); };
  const asCsv = (): void => {
    save(csvOf([['name', 'state', 'group', 'system', 'architecture', 'memoryBytes', 'disks', 'adapters', 'tags', 'folder'],
      ...facts.map((fact) => [fact.name, fact.state, fact.group, fact.system ?? '', fact.architecture ?? '', fact.memoryBytes ?? '', fact.disks.join(' '), fact.adapters.map(({ model, reach }) => `${model}:${reach}`).join(' '), fact.tags.join(' '), fact.folder])]), 'text/csv', 'csv');
  };

  return (
    <>
      <div className="controls">
        <AppButton label={t('monitor.saveCsv')} icon="save" onPress={asCsv} />
        <AppButton label={t('monitor.saveJson')} icon="save" onPress={asJson} />
      </div>
      <div className="table-frame" tabIndex={0} role="region" aria-label={t('monitor.page.inventory')}>
        <table className="inventory">
          <thead><tr>{COLUMNS.map((column) => <th key={column} scope="col">{t(`monitor.column.${column}`)}</th>)}</tr></thead>
          <tbody>
            {facts.map((fact) => (
              <tr key={fact.name}>
                <th scope="row">{fact.name}</th>
                <td>{stateText(fact.entry, t)}</td>
                <td>{fact.group}</td>
                <td>{fact.system === undefined ? '' : t(`guestSystem.${fact.system}`)}</td>
                <td>{fact.architecture}</td>
                <td>{fact.memoryBytes === undefined ? '' : formatBytes(fact.memoryBytes, i18n.language)}</td>
                <td>{fact.disks.length}</td>
                <td>{fact.adapters.map(({ model }) => model).join(', ')}</td>
                <td>{fact.tags.join(', ')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
