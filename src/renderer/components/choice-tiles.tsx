import type { ReactNode } from 'react';
import { Label, Radio, RadioGroup, Text } from 'react-aria-components';
import { useTranslation } from 'react-i18next';

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
  const { t } = useTranslation();
  return (
    <RadioGroup className="field" value={value} onChange={(chosen) => { onChange(chosen as T); }}>
      <Label className="field-label">{label}</Label>
      <div className="tiles">
        {options.map((option) => (
          <Radio key={option.value} value={option.value} className="tile" isDisabled={option.reason !== undefined}>
            {option.picture}
            <span className="tile-label">{option.label}</span>
          </Radio>
        ))}
      </div>
      {options.flatMap(({ value: id, label: name, reason }) => reason === undefined ? [] : [<Text key={id} slot="description" className="field-hint">{t('app.reason', { name, reason })}</Text>])}
    </RadioGroup>
  );
}
