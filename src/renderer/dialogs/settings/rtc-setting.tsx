import { useTranslation } from 'react-i18next';
import { TextInput } from '../../components/text-input.tsx';
import { useDraft } from './draft.ts';

const PATH = 'time.rtcEpochSeconds';

/** `2001-02-03 04:05`, as the clock chip shows it: in UTC. */
function shown(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ');
}

function read(text: string): number {
  const match = /^\s*(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d))?\s*$/.exec(text);
  return match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2] ?? '00:00'}Z`) / 1000;
}

/** The date that the guest finds at power-on; empty follows the host. */
export function RtcSetting() {
  const { t } = useTranslation();
  const { draft, set, typed, type, touch, reason } = useDraft();
  const { rtcEpochSeconds } = draft.time;
  return (
    <TextInput label={t('settings.clock')} value={typed(PATH) ?? (rtcEpochSeconds === undefined || Number.isNaN(rtcEpochSeconds) ? '' : shown(rtcEpochSeconds))} hint={t('settings.clockHint')} error={reason(PATH)}
      onBlur={() => {
        touch(PATH);
        if (!Number.isNaN(rtcEpochSeconds)) type(PATH, undefined);
      }}
      onChange={(text) => {
        type(PATH, text);
        set(PATH, text.trim() === '' ? undefined : read(text));
      }} />
  );
}
