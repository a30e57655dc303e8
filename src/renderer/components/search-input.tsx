import { Button, Input, SearchField } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { Icon } from './icon.tsx';

/** Escape empties it. */
export function SearchInput({ label, value, onChange }: { readonly label: string; readonly value: string; readonly onChange: (value: string) => void }) {
  const { t } = useTranslation();
  return (
    <SearchField className="search" aria-label={label} value={value} onChange={onChange}>
      <Icon name="search" size={16} />
      <Input className="search-input" placeholder={label} spellCheck={false} autoComplete="off" />
      {value === '' ? null : <Button className="search-clear" aria-label={t('app.clear')}><Icon name="close" size={14} /></Button>}
    </SearchField>
  );
}
