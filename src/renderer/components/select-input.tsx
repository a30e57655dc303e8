import { Button, Label, ListBox, ListBoxItem, Popover, Select, SelectValue, Text } from 'react-aria-components';
import { Icon } from './icon.tsx';

export interface SelectInputProps<T extends string> {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly label: string; readonly hint?: string }[];
  readonly onChange: (value: T) => void;
  readonly isDisabled?: boolean;
}

/** One of several choices, in a list that opens. */
export function SelectInput<T extends string>({ label, hint, value, options, onChange, isDisabled = false }: SelectInputProps<T>) {
  return (
    <Select className="field" value={value} isDisabled={isDisabled} onChange={(chosen) => { if (chosen !== null) onChange(chosen as T); }}>
      <Label className="field-label">{label}</Label>
      <Button className="input select-button">
        <SelectValue>{options.find((option) => option.value === value)?.label ?? ''}</SelectValue>
        <Icon name="chevron" size={14} />
      </Button>
      {hint === undefined ? null : <Text slot="description" className="field-hint">{hint}</Text>}
      <Popover className="popover" offset={4}>
        <ListBox className="menu">
          {options.map((option) => (
            <ListBoxItem key={option.value} id={option.value} textValue={option.label} className="menu-entry">
              <span className="menu-icon">{option.value === value ? <Icon name="check" size={16} /> : null}</span>
              <span className="menu-label">{option.label}</span>
              {option.hint === undefined ? null : <span className="menu-hint">{option.hint}</span>}
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </Select>
  );
}
