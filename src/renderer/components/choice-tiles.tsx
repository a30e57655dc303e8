import type { ReactNode } from 'react';
import { Label, Radio, RadioGroup } from 'react-aria-components';

export interface ChoiceTilesProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly {
    readonly value: T;
    readonly label: string;
    readonly picture: ReactNode;
    /** Why it can't be chosen. */
    readonly reason?: string | undefined;
  }[];
  readonly onChange: (value: T) => void;
}

/** One of several choices with a picture each; what can't be chosen says why. */
export function ChoiceTiles<T extends string>({ label, value, options, onChange }: ChoiceTilesProps<T>) {
  return (
    <RadioGroup className="field" value={value} onChange={(chosen) => { onChange(chosen as T); }}>
      <Label className="field-label">{label}</Label>
      <div className="tiles">
        {options.map((option) => (
          <Radio key={option.value} value={option.value} className="tile" isDisabled={option.reason !== undefined}>
            {option.picture}
            <span className="tile-label">{option.label}</span>
            {option.reason === undefined ? null : <span className="tile-reason">{option.reason}</span>}
          </Radio>
        ))}
      </div>
    </RadioGroup>
  );
}
