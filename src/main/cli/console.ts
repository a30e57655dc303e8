import type { Command } from 'commander';
import { consoleDownSchema } from '../../shared/api.ts';
import { ok } from '../../shared/result.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap } from './outcome.ts';
import { ProcessTerminal } from './run/process-terminal.ts';

const QUIT_BYTE = 0x1d;

export function addConsoleVerb(program: Command, context: CommandLineContext): void {
  program.command('console')
    .description('join a machine\'s serial console; Ctrl-] leaves it')
    .argument('<name>')
    .option('--virtio', 'the virtio console (hvc0 in Linux) instead of the serial one')
    .option('--no-scrollback', 'leave out what was printed before')
    .action(async (name: string, { scrollback, virtio = false }: { scrollback: boolean; virtio?: boolean }) => {
      unwrap(await withCore(context, async (core) => {
        const status = await core.client.machines.status({ name });
        if (!status.ok) return status;
        const terminal = new ProcessTerminal();
        let leave!: () => void;
        const left = new Promise<void>((resolve) => { leave = resolve; });
        const channel = await core.openChannel(virtio ? 'virtio-console' : 'console', name, {
          message(message) {
            const checked = consoleDownSchema.safeParse(message);
            if (checked.success && (scrollback || !checked.data.replay)) terminal.write(checked.data.bytes);
          },
          closed: leave,
        });
        if (!channel.ok) return channel;
        core.onEvent((event) => {
          if (event.event === 'machines.status' && event.payload.name === name && (event.payload.status.state === 'off' || event.payload.status.state === 'crashed')) leave();
        });
        terminal.onGone(leave);
        if (status.value.state === 'off' || status.value.state === 'crashed') return ok({});
        const closeInput = terminal.openInput((bytes) => {
          const quit = bytes.indexOf(QUIT_BYTE);
          if (quit !== 0) channel.value.send({ kind: 'serial-input', bytes: quit < 0 ? bytes : bytes.slice(0, quit) });
          if (quit >= 0) leave();
        });
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, leave);
        await left;
        closeInput();
        return ok({});
      }));
    });
}
