/** Captures of what passes a network adapter: a file on the host, which a person is told where to find. */
import type { TFunction } from 'i18next';
import type { Shell } from '../api.ts';
import { showNotice } from './notices.ts';

export async function switchCapture(shell: Shell, name: string, adapter: number, isOn: boolean, t: TFunction): Promise<void> {
  const answer = await shell.client.machines.capture({ name, adapter, isOn });
  if (!answer.ok) showNotice({ kind: 'error', error: answer.error });
  else if (answer.value.path !== undefined) showNotice({ kind: 'info', text: t('network.captureStarted', { path: answer.value.path }) });
  else showNotice({ kind: 'info', text: t('network.captureEnded') });
}
