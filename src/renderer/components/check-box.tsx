import { Checkbox } from 'react-aria-components';
import { Icon } from './icon.tsx';

export interface CheckBoxProps {
  readonly label: string;
  readonly hint?: string;
  readonly isSelected: boolean;
  readonly onChange: (isSelected: boolean) => void;
  readonly isDisabled?: boolean;
}

export function CheckBox({ label, hint, isSelected, onChange, isDisabled = false }: CheckBoxProps) {
  return (
    <Checkbox className="checkbox" isSelected={isSelected} onChange={onChange} isDisabled={isDisabled}>
      <span className="checkbox-box"><Icon name="check" size={14} /></span>
      <span><span className="checkbox-label">{label}</span>{hint === undefined ? null : <span className="field-hint">{hint}</span>}</span>
    </Checkbox>
  );
}
