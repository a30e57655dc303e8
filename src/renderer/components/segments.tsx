import { Label, Radio, RadioGroup, Text } from 'react-aria-components';

export interface SegmentsProps<T extends string> {
  readonly label: string;
  readonly hint?: string;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly label: string }[];
  readonly onChange: (value: T) => void;
}

/** One of a few short choices, side by side. */
export function Segments<T extends string>({ label, hint, value, options, onChange }: SegmentsProps<T>) {
  return (
    <RadioGroup className="field" orientation="horizontal" value={value} onChange={(chosen) => { onChange(chosen as T); }}>
      <Label className="field-label">{label}</Label>
      <div className="segments">
        {options.map((option) => <Radio key={option.value} value={option.value} className="segment">{option.label}</Radio>)}
      </div>
      {hint === undefined ? null : <Text slot="description" className="field-hint">{hint}</Text>}
    </RadioGroup>
  );
}
