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
export async function mayEndMachines(options: QuitOptions): Promise<boolean> {
  const { core: { client }, preference, texts, ask } = options;
  const listed = await client.library.list({});
  const entries = listed.ok ? listed.value.entries.filter(({ status }) => status.state !== 'off' && status.state !== 'crashed') : [];
  const on = entries.map(({ name }) => name);
  if (on.length === 0) return true;
  const inBundles = entries.filter(({ bundlePath }) => bundlePath !== undefined).map(({ name }) => name);
  if (preference === 'power-off') return mayEndBundles(options, inBundles);
  const way = preference === 'save' ? 'save' : await askWay(on.length, texts, ask);
  if (way !== 'save') return way === 'power-off' && mayEndBundles(options, inBundles);
  const unsaved: string[] = [];
  for (const name of on) if (!(await client.machines.save({ name })).ok) unsaved.push(name);
  if (unsaved.length === 0) return true;
  const again = await ask({ type: 'warning', title: texts.title, message: texts.cannotSave(unsaved.join(', ')), detail: texts.detail, buttons: [texts.powerOff, texts.cancel], defaultId: 1, cancelId: 1 });
  return again === 0 && mayEndBundles(options, inBundles.filter((name) => unsaved.includes(name)));
}

/** Machines that run in their bundles and are to be powered off; a saved one simply goes on another day. */
async function mayEndBundles({ core: { client }, texts, ask }: QuitOptions, names: readonly string[]): Promise<boolean> {
  if (names.length === 0) return true;
  const answer = await ask({ type: 'question', title: texts.title, message: texts.bundleMessage(names.join(', ')), detail: texts.bundleDetail, buttons: [texts.keep, texts.later, texts.discard, texts.cancel], defaultId: 1, cancelId: 3 });
  if (answer === 1) return true;
  if (answer !== 0 && answer !== 2) return false;
  const failed: string[] = [];
  for (const name of names) {
    await client.machines.stop({ name, how: 'force' });
    const ended = answer === 0 ? await client.library.keep({ name }) : await client.library.discard({ name });
    if (!ended.ok) failed.push(name);
  }
  if (failed.length > 0) await ask({ type: 'warning', title: texts.title, message: texts.cannotKeep(failed.join(', ')), buttons: ['OK'] });
  return true;
}

async function askWay(machines: number, texts: QuitOptions['texts'], ask: QuitOptions['ask']): Promise<'save' | 'power-off' | 'stay'> {
  const answer = await ask({ type: 'warning', title: texts.title, message: texts.message(machines), detail: texts.detail, buttons: [texts.save, texts.powerOff, texts.cancel], defaultId: 0, cancelId: 2 });
  return (['save', 'power-off'] as const)[answer] ?? 'stay';
}
