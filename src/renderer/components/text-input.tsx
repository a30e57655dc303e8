import type { ReactNode } from 'react';
import { FieldError, Input, Label, Text, TextField } from 'react-aria-components';

export interface TextInputProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** What is wrong and what to do; absent while there is nothing to say. */
  readonly error?: string | undefined;
  readonly hint?: string | undefined;
  readonly hintKind?: 'plain' | 'warning';
  readonly onBlur?: () => void;
  readonly autoFocus?: boolean;
  readonly isDisabled?: boolean;
  readonly inputMode?: 'text' | 'decimal';
  /** `id` of a `datalist` with proposals. */
  readonly list?: string;
  /** Beside the input, on its line. */
  readonly beside?: ReactNode;
  readonly below?: ReactNode;
}

/** A line of text with its label, and under it the error or the hint, in room that is always kept. */
export function TextInput({ label, value, onChange, error, hint = '', hintKind = 'plain', onBlur, autoFocus = false, isDisabled = false, inputMode = 'text', list, beside, below }: TextInputProps) {
  return (
    <TextField className="field" value={value} onChange={onChange} isInvalid={error !== undefined} isDisabled={isDisabled} autoFocus={autoFocus} validationBehavior="aria" {...(onBlur === undefined ? {} : { onBlur })}>
      <Label className="field-label">{label}</Label>
      <div className="field-line">
        <Input className="input" inputMode={inputMode} {...(list === undefined ? {} : { list })} spellCheck={false} autoComplete="off" />
        {beside}
      </div>
      {below}
      {error === undefined
        ? <Text slot="description" className={`field-hint field-hint-${hintKind}`}>{hint}</Text>
        : <FieldError className="field-error">{error}</FieldError>}
    </TextField>
  );
}
