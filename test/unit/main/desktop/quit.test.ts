import { expect, test } from 'vitest';
import { desktopTexts } from '../../../../src/main/desktop/desktop-texts.ts';
import { mayEndMachines } from '../../../../src/main/desktop/quit.ts';
import type { QuitOptions } from '../../../../src/main/desktop/quit.ts';
import { fail, ok } from '../../../../src/shared/result.ts';

/** Machines by name and state; those in `stubborn` can't be saved. */
function quit(preference: QuitOptions['preference'], machines: Readonly<Record<string, string>>, answers: number[] = [], stubborn: readonly string[] = []) {
  const [saved, asked]: [string[], string[]] = [[], []];
  const client = {
    library: { list: () => Promise.resolve(ok({ entries: Object.entries(machines).map(([name, state]) => ({ name, status: { state } })) })) },
    machines: { save: ({ name }: { name: string }) => {
      if (stubborn.includes(name)) return Promise.resolve(fail('machines.wrong-state', 'no', ''));
      saved.push(name);
      return Promise.resolve(ok({}));
    } },
  } as unknown as QuitOptions['core']['client'];
  const ask: QuitOptions['ask'] = ({ message }) => {
    asked.push(message);
    return Promise.resolve(answers.shift() ?? -1);
  };
  return mayEndMachines({ core: { client }, preference, texts: desktopTexts('en', 'en'), ask }).then((mayEnd) => ({ mayEnd, saved, asked }));
}

const MACHINES = { off: 'off', crashed: 'crashed', running: 'running', paused: 'paused' };

test('machines that are on are saved, and nobody is asked', async () => {
  expect(await quit('save', MACHINES)).toEqual({ mayEnd: true, saved: ['running', 'paused'], asked: [] });
});

test('where one can\'t be saved it is named, and staying is the way that loses nothing', async () => {
  expect(await quit('save', MACHINES, [1], ['paused'])).toEqual({ mayEnd: false, saved: ['running'], asked: ['These could not be saved: paused'] });
  expect(await quit('save', MACHINES, [0], ['paused'])).toMatchObject({ mayEnd: true });
});

test('who wants to be asked saves, powers off or stays', async () => {
  expect(await quit('ask', MACHINES, [0])).toEqual({ mayEnd: true, saved: ['running', 'paused'], asked: ['2 machines are still on.'] });
  expect(await quit('ask', MACHINES, [1])).toMatchObject({ mayEnd: true, saved: [] });
  expect(await quit('ask', MACHINES, [2])).toMatchObject({ mayEnd: false, saved: [] });
});

test('with nothing on there is nothing to ask', async () => {
  expect(await quit('ask', { off: 'off' })).toEqual({ mayEnd: true, saved: [], asked: [] });
});

test('a machine that runs in its bundle is kept, left or discarded when it is powered off; a saved one goes on another day', async () => {
  const end = async (preference: QuitOptions['preference'], answers: number[]): Promise<{ mayEnd: boolean; done: string[] }> => {
    const done: string[] = [];
    const doing = (what: string) => ({ name }: { name: string }) => {
      done.push(`${what} ${name}`);
      return Promise.resolve(ok({}));
    };
    const client = {
      library: { list: () => Promise.resolve(ok({ entries: [{ name: 'guest', bundlePath: '/guest.guestvmz', status: { state: 'running' } }, { name: 'own', status: { state: 'running' } }] })), keep: doing('keep'), discard: doing('discard') },
      machines: { save: doing('save'), stop: doing('stop') },
    } as unknown as QuitOptions['core']['client'];
    const mayEnd = await mayEndMachines({ core: { client }, preference, texts: desktopTexts('en', 'en'), ask: () => Promise.resolve(answers.shift() ?? -1) });
    return { mayEnd, done };
  };
  expect(await end('power-off', [0])).toEqual({ mayEnd: true, done: ['stop guest', 'keep guest'] });
  expect(await end('power-off', [1])).toEqual({ mayEnd: true, done: [] });
  expect(await end('ask', [1, 2])).toEqual({ mayEnd: true, done: ['stop guest', 'discard guest'] });
  expect(await end('ask', [1, 3])).toEqual({ mayEnd: false, done: [] });
  expect(await end('save', [])).toEqual({ mayEnd: true, done: ['save guest', 'save own'] });
});
