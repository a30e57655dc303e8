/** Quitting with machines that are on: nothing is lost without a yes. */
import type { MessageBoxOptions } from 'electron';
import type { AppCore } from '../app-core.ts';
import type { Preferences } from '../../shared/preferences.ts';
import type { desktopTexts } from './desktop-texts.ts';

export interface QuitOptions {
  readonly core: Pick<AppCore, 'client'>;
  readonly preference: Preferences['whenQuitting'];
  readonly texts: ReturnType<typeof desktopTexts>;
  ask(options: MessageBoxOptions): Promise<number>;
}

/** False: the person wants to stay. */
export async function mayEndMachines({ core: { client }, preference, texts, ask }: QuitOptions): Promise<boolean> {
  const listed = await client.library.list({});
  const on = listed.ok ? listed.value.entries.filter(({ status }) => status.state !== 'off' && status.state !== 'crashed').map(({ name }) => name) : [];
  if (on.length === 0 || preference === 'power-off') return true;
  const way = preference === 'save' ? 'save' : await askWay(on.length, texts, ask);
  if (way !== 'save') return way === 'power-off';
  const unsaved: string[] = [];
  for (const name of on) if (!(await client.machines.save({ name })).ok) unsaved.push(name);
  if (unsaved.length === 0) return true;
  const again = await ask({ type: 'warning', title: texts.title, message: texts.cannotSave(unsaved.join(', ')), detail: texts.detail, buttons: [texts.powerOff, texts.cancel], defaultId: 1, cancelId: 1 });
  return again === 0;
}

async function askWay(machines: number, texts: QuitOptions['texts'], ask: QuitOptions['ask']): Promise<'save' | 'power-off' | 'stay'> {
  const answer = await ask({ type: 'warning', title: texts.title, message: texts.message(machines), detail: texts.detail, buttons: [texts.save, texts.powerOff, texts.cancel], defaultId: 0, cancelId: 2 });
  return (['save', 'power-off'] as const)[answer] ?? 'stay';
}
