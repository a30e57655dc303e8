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
