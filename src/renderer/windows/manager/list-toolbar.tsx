import { useTranslation } from 'react-i18next';
import { SORTS } from '../../../shared/preferences.ts';
import { AppButton } from '../../components/button.tsx';
import { MenuButton } from '../../components/menu-button.tsx';
import { SearchInput } from '../../components/search-input.tsx';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';

/** Above the machines: what to look for, their order, and list or grid. */
export function ListToolbar({ query, onQuery }: { readonly query: string; readonly onQuery: (query: string) => void }) {
  const { t } = useTranslation();
  const app = useApp();
  const { managerSort, managerView } = useStore(app.preferences);
  const other = managerView === 'list' ? 'grid' : 'list';
  return (
    <div className="list-toolbar">
      <SearchInput label={t('manager.search')} value={query} onChange={onQuery} />
      <MenuButton label={t('manager.sort', { by: t(`manager.sortBy.${managerSort}`) })} icon="sort" iconOnly kind="quiet"
        groups={[SORTS.map((sort) => ({ id: sort, label: t(`manager.sortBy.${sort}`), isChosen: sort === managerSort, onAction: () => { void app.savePreferences({ managerSort: sort }); } }))]} />
      <AppButton label={t(`manager.viewAs.${other}`)} icon={other} iconOnly kind="quiet" onPress={() => { void app.savePreferences({ managerView: other }); }} />
    </div>
  );
}
