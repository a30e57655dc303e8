/** Fields of the settings: each knows its place in the draft, and says what is wrong with it once it has been left. */
import { TextArea, TextField, Label, FieldError, Text } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { KIB, parseMemorySize, parseSize } from '../../../shared/sizes.ts';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes, withDecimalPoint } from '../../i18n/format.ts';
import { PathInput } from '../file-browser/path-input.tsx';
import type { FilePurpose } from '../file-browser/path-input.tsx';
import { useDraft } from './draft.ts';

interface FieldProps {
  /** In the draft, such as `adapters.0.mac`. */
  readonly path: string;
  readonly label: string;
  readonly hint?: string | undefined;
}

/** A line of text. With nothing in it an `isOptional` one is not set. */
export function TextSetting({ path, label, hint, value, isOptional = false }: FieldProps & { readonly value: string | undefined; readonly isOptional?: boolean }) {
  const { set, touch, reason } = useDraft();
  return (
    <TextInput label={label} value={value ?? ''} hint={hint} error={reason(path)} onBlur={() => { touch(path); }}
      onChange={(text) => { set(path, isOptional && text.trim() === '' ? undefined : text); }} />
  );
}

export function NotesSetting({ path, label, value }: FieldProps & { readonly value: string }) {
  const { set, touch, reason } = useDraft();
  const error = reason(path);
  return (
    <TextField className="field" value={value} onChange={(text) => { set(path, text); }} onBlur={() => { touch(path); }} isInvalid={error !== undefined} validationBehavior="aria">
      <Label className="field-label">{label}</Label>
      <TextArea className="input notes-input" rows={5} />
      {error === undefined ? <Text slot="description" className="field-hint" /> : <FieldError className="field-error">{error}</FieldError>}
    </TextField>
  );
}

interface NumberFormat {
  readonly show: (value: number) => string;
  /** NaN is no number. */
  readonly read: (text: string) => number;
}

/** A number, shown as it was typed for as long as it is being typed. */
function NumberSettingBase({ path, label, hint, value, isOptional = false, format }: FieldProps & { readonly value: number | undefined; readonly isOptional?: boolean; readonly format: NumberFormat }) {
  const { set, typed, type, touch, reason } = useDraft();
  const shown = value === undefined ? '' : Number.isNaN(value) ? undefined : format.show(value);
  return (
    <TextInput label={label} value={typed(path) ?? shown ?? ''} hint={hint} error={reason(path)} inputMode="decimal"
      onBlur={() => {
        touch(path);
        if (shown !== undefined) type(path, undefined);
      }}
      onChange={(text) => {
        type(path, text);
        set(path, isOptional && text.trim() === '' ? undefined : format.read(text));
      }} />
  );
}

const PLAIN: NumberFormat = { show: String, read: (text) => /^\s*\d+\s*$/.test(text) ? Number(text) : Number.NaN };

const DECIMAL: NumberFormat = { show: String, read: (text) => /^\s*\d+(?:[.,]\d+)?\s*$/.test(text) ? Number(withDecimalPoint(text)) : Number.NaN };

/** A number that may have a fraction. */
export function DecimalSetting(props: FieldProps & { readonly value: number }) {
  return <NumberSettingBase {...props} format={DECIMAL} />;
}

export function NumberSetting(props: FieldProps & { readonly value: number | undefined; readonly isOptional?: boolean }) {
  return <NumberSettingBase {...props} format={PLAIN} />;
}

export function MemorySetting(props: FieldProps & { readonly value: number }) {
  const { i18n } = useTranslation();
  return (
    <NumberSettingBase {...props} format={{
      show: (bytes) => formatBytes(bytes, i18n.language),
      read: (text) => {
        const size = parseMemorySize(withDecimalPoint(text));
        const bytes = size.ok ? size : parseSize(withDecimalPoint(text));
        return bytes.ok ? bytes.value : Number.NaN;
      },
    }} />
  );
}

/** Bytes in a second, as a size; nothing is no limit. */
export function RateSetting(props: FieldProps & { readonly value: number | undefined }) {
  const { t, i18n } = useTranslation();
  return (
    <NumberSettingBase {...props} hint={props.hint ?? t('settings.rateHint')} isOptional format={{
      show: (bytes) => `${formatBytes(bytes, i18n.language)}/s`,
      read: (text) => {
        const size = parseSize(withDecimalPoint(text.replace(/\/s\s*$/, '')));
        // A bare number is thousands of bytes: nobody limits a disk to single ones.
        return size.ok ? (/^\s*\d+\s*$/.test(text) ? size.value * KIB : size.value) : Number.NaN;
      },
    }} />
  );
}

export function PathSetting({ path, label, hint, value, purpose, isOptional = false, title }: FieldProps & { readonly value: string | undefined; readonly purpose: FilePurpose; readonly isOptional?: boolean; readonly title: string }) {
  const { set, touch, reason } = useDraft();
  return (
    <PathInput label={label} value={value ?? ''} purpose={purpose} title={title} hint={hint} error={reason(path)} onBlur={() => { touch(path); }}
      onChange={(text) => { set(path, isOptional && text.trim() === '' ? undefined : text); }} />
  );
}
