import { useTranslation } from 'react-i18next';
import type { HostInfo, LibraryEntry } from '../../shared/api.ts';
import { showNotice } from '../state/notices.ts';
import { useApp } from '../state/app-state.ts';
import { useStore } from '../state/store.ts';
import { AppButton } from './button.tsx';
import { download, timestamp } from './download.ts';
import { ErrorNotice } from './error-notice.tsx';
import { LogLines } from './log-lines.tsx';

/** What ended a machine, with all that whoever mends it wants to know as a file. It stays on this computer. */
export function CrashReport({ entry, hint }: { readonly entry: LibraryEntry; readonly hint?: string }) {
  const { t } = useTranslation();
  const app = useApp();
  const host = useStore(app.host);
  const { name, status: { crash } } = entry;
  if (crash === undefined) return null;

  const save = async (): Promise<void> => {
    const logs = await app.shell.client.machines.logs({ name });
    const file = `${name} crash ${timestamp(new Date())}.txt`;
    download(file, new Blob([reportText(entry, host, logs.ok ? logs.value.lines : crash.lastLogLines)], { type: 'text/plain' }));
    showNotice({ kind: 'info', text: t('machine.reportSaved', { file }) });
  };
  return (
    <ErrorNotice error={crash.error} title={t('machine.crashedTitle', { name })}>
      {hint === undefined ? null : <p>{hint}</p>}
      {crash.lastLogLines.length === 0 ? null : <LogLines lines={crash.lastLogLines} />}
      <AppButton label={t('machine.saveReport')} icon="save" onPress={() => { void save(); }} />
    </ErrorNotice>
  );
}

/** In English, whatever the window speaks: it is for whoever mends the app. */
function reportText({ name, status: { crash }, config }: LibraryEntry, host: HostInfo | undefined, logLines: readonly string[]): string {
  const { notes: _notes, ...settings } = config ?? { notes: '' };
  return [
    `Guesthouse ${host?.version ?? '(version unknown)'} on ${host?.platform ?? 'an unknown system'}, ${host?.cpuModel ?? 'an unknown processor'}`,
    `Machine: ${name}`,
    `Error: ${crash?.error.code ?? ''}: ${crash?.error.message ?? ''}`,
    '', 'Settings, without notes:', JSON.stringify(settings, null, 2),
    '', 'Log:', ...logLines, '',
  ].join('\n');
}
