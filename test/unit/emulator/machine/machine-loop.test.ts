import { describe, expect, it } from 'vitest';
import { CpuShare } from '../../../../src/emulator/machine/cpu-share.ts';
import { MachineLoop, type LoopBoard } from '../../../../src/emulator/machine/machine-loop.ts';
import type { Letter, Mailbox } from '../../../../src/emulator/machine/mailbox.ts';
import { Scheduler } from '../../../../src/emulator/machine/scheduler.ts';
import { HostTimeSource, InstructionTimeSource } from '../../../../src/emulator/machine/time-source.ts';
import { FakeAccelerator } from '../../../support/fake-accelerator.ts';

class FakeMailbox implements Mailbox {
  readonly letters: Letter[] = [];
  readonly waits: (number | undefined)[] = [];
  readonly #asleep: (nanos: number | undefined) => void;

  constructor(asleep: (nanos: number | undefined) => void) {
    this.#asleep = asleep;
  }

  take(): Letter | undefined {
    return this.letters.shift();
  }

  wait(nanos: number | undefined): void {
    if (this.letters.length > 0) return;
    this.waits.push(nanos);
    this.#asleep(nanos);
  }

  waitFor(): Letter {
    throw new Error('not used here');
  }
}

type Instruction = ConstructorParameters<typeof FakeAccelerator>[0];

function machine(options: { time?: 'host' | number; instruction?: Instruction; onReset?: 'reboot' | 'stop'; nanosPerInstruction?: number; cpuLimitPercent?: number }) {
  const host = { nanos: 0, asleepNanos: 0 };
  const nanosPerInstruction = options.nanosPerInstruction ?? 20;
  const accelerator = new FakeAccelerator((cpu) => {
    host.nanos += nanosPerInstruction;
    return options.instruction?.(cpu) ?? 'go-on';
  });
  const timeSource = typeof options.time === 'number'
    ? new InstructionTimeSource(() => accelerator.instructions, options.time)
    : new HostTimeSource(() => host.nanos);
  const mailbox = new FakeMailbox((nanos) => {
    host.nanos += nanos ?? 0;
    host.asleepNanos += nanos ?? 0;
  });
  const told: string[] = [];
  const flags = { interruptsEnabled: true, congested: false, flushes: 0 };
  const board: LoopBoard = {
    accelerator,
    scheduler: new Scheduler(timeSource, 0),
    timeSource,
    mailbox,
    hostNanos: () => host.nanos,
    onReset: options.onReset ?? 'reboot',
    cpuShare: new CpuShare({ hostNanos: () => host.nanos, usedNanos: () => host.nanos - host.asleepNanos }, options.cpuLimitPercent ?? 100),
    deliver: (letter) => told.push(`letter ${letter.kind}`),
    capture: ({ captureId, thenHold }) => told.push(`capture ${captureId}${thenHold ? ', held' : ''}`),
    reset: (kind) => told.push(`board reset ${kind}`),
    flush: () => flags.flushes++,
    congested: () => flags.congested,
    interruptsEnabled: () => flags.interruptsEnabled,
    announceState: (state) => told.push(state),
    announceReset: (cause, count) => told.push(`reset by ${cause}, ${count}`),
  };
  return { host, accelerator, mailbox, told, flags, board, loop: new MachineLoop(board) };
}

describe('MachineLoop in host time', () => {
  it('adapts its slices to about 0.4 ms of host time', () => {
    const { loop, accelerator } = machine({ nanosPerInstruction: 10 });
    for (let turn = 0; turn < 100; turn++) loop.turn();
    expect(accelerator.runs.at(-1)!.budget).toBeGreaterThan(36_000);
    expect(accelerator.runs.at(-1)!.budget).toBeLessThan(44_000);
    expect(accelerator.runs.at(-1)!.exact).toBe(false);
  });

  it('sleeps until the next deadline while the guest is halted', () => {
    const { loop, board, mailbox, host } = machine({ instruction: () => 'halted' });
    let fired = 0;
    board.scheduler.timer('t', () => fired++).arm(3_000_000);
    loop.turn();
    expect(mailbox.waits).toEqual([3_000_000 - 20]);
    loop.turn();
    expect(fired).toBe(1);
    expect(loop.haltedNanos).toBeGreaterThan(2_900_000);
    expect(host.nanos).toBeGreaterThanOrEqual(3_000_000);
  });

  it('does not sleep longer than host time can account for', () => {
    const { loop, mailbox } = machine({ instruction: () => 'halted' });
    loop.turn();
    expect(mailbox.waits).toEqual([500_000_000]);
  });

  it('takes the ticks of an idle guest together and loses none, until something comes from outside', () => {
    const { loop, board, host, mailbox } = machine({ instruction: () => 'halted' });
    let ticks = 0;
    const timer = board.scheduler.timer('tick', () => {
      ticks++;
      timer.arm((ticks + 1) * 4_000_000);
    });
    timer.arm(4_000_000);
    while (host.nanos < 1_000_000_000) loop.turn();
    expect(mailbox.waits.at(-1)).toBeGreaterThan(15_000_000);
    expect(mailbox.waits.length).toBeLessThan(90);
    expect(ticks).toBeGreaterThan(host.nanos / 4_000_000 - 6);
    mailbox.letters.push({ kind: 'keys', events: [] });
    mailbox.waits.length = 0;
    while (mailbox.waits.length < 5) loop.turn();
    expect(Math.max(...mailbox.waits.map((wait) => wait ?? Infinity))).toBeLessThanOrEqual(4_000_000);
  });

  it('ends a slice early when a device arms a nearer deadline', () => {
    let armed = false;
    const { loop, board, accelerator } = machine({
      instruction: (cpu) => {
        if (cpu.instructions === 1_000 && !armed) {
          armed = true;
          board.scheduler.timer('near', () => {}).arm(board.scheduler.now() + 1_000);
        }
        return 'go-on';
      },
    });
    loop.turn();
    expect(accelerator.instructions).toBe(1_000);
  });

  it('delivers the ticks of a stalled host one by one, with guest code in between', () => {
    const { loop, board, host, accelerator } = machine({});
    const ticksAt: number[] = [];
    let deadline = 1_000_000;
    const timer = board.scheduler.timer('tick', () => {
      ticksAt.push(accelerator.instructions);
      deadline += 1_000_000;
      timer.arm(deadline);
    });
    timer.arm(deadline);
    loop.turn();
    host.nanos = 5_500_000;
    for (let turn = 0; turn < 5; turn++) loop.turn();
    expect(ticksAt).toHaveLength(5);
    expect(new Set(ticksAt).size).toBe(5);
  });
});

describe('MachineLoop in instruction time', () => {
  it('stops exactly at a deadline, whatever the slices', () => {
    const { loop, board, accelerator } = machine({ time: 100 });
    const firedAt: number[] = [];
    let deadline = 12_340;
    const timer = board.scheduler.timer('t', () => {
      firedAt.push(accelerator.instructions);
      deadline += 1_234_560;
      timer.arm(deadline);
    });
    timer.arm(deadline);
    while (firedAt.length < 3) loop.turn();
    expect(firedAt).toEqual([1_234, 124_690, 248_146]);
    expect(accelerator.runs.every((run) => run.exact)).toBe(true);
  });

  it('skips the time in which the guest is halted', () => {
    const { loop, board, mailbox } = machine({ time: 100, instruction: () => 'halted' });
    let fired = 0;
    board.scheduler.timer('hour', () => fired++).arm(3_600e9);
    loop.turn();
    loop.turn();
    expect(fired).toBe(1);
    expect(mailbox.waits).toEqual([undefined]);
  });
});

describe('MachineLoop', () => {
  it('runs no guest code while paused and passes other letters on', () => {
    const { loop, mailbox, accelerator, told } = machine({});
    mailbox.letters.push({ kind: 'pause' }, { kind: 'power-button' });
    loop.turn();
    expect(accelerator.runs).toEqual([]);
    expect(told).toEqual(['paused', 'letter power-button']);
    mailbox.letters.push({ kind: 'resume' });
    loop.turn();
    expect(accelerator.runs).toHaveLength(1);
    expect(told.at(-1)).toBe('running');
  });

  it('holds the guest while its output waits for the receiver', () => {
    const { loop, flags, accelerator } = machine({});
    flags.congested = true;
    loop.turn();
    expect(accelerator.runs).toEqual([]);
    flags.congested = false;
    loop.turn();
    expect(accelerator.runs).toHaveLength(1);
  });

  it('resets the machine after a triple fault and counts', () => {
    const { loop, told } = machine({ instruction: () => 'triple-fault' });
    for (let turn = 0; turn < 3; turn++) loop.turn();
    expect(told).toEqual(['reset by triple-fault, 1', 'board reset soft', 'reset by triple-fault, 2', 'board reset soft']);
  });

  it('ends at a reset when it was told to stop there, but not when the user resets', () => {
    const { loop, mailbox, told } = machine({ onReset: 'stop' });
    mailbox.letters.push({ kind: 'reset' });
    expect(loop.turn()).toBeUndefined();
    expect(told).toContain('board reset soft');
    loop.requestReset('guest');
    expect(loop.run()).toEqual({ reason: 'reset-stop' });
  });

  it('ends with the first reason given', () => {
    const { loop, mailbox } = machine({});
    loop.requestEnd({ reason: 'exit-port', exitStatus: 7 });
    mailbox.letters.push({ kind: 'power-off' });
    expect(loop.run()).toEqual({ reason: 'exit-port', exitStatus: 7 });
  });

  it('tells once when the guest is halted with interrupts off, and that a reset wakes it', () => {
    const { loop, flags, mailbox, told } = machine({ instruction: () => 'halted' });
    flags.interruptsEnabled = false;
    loop.turn();
    loop.turn();
    expect(told).toEqual(['halted-forever']);
    mailbox.letters.push({ kind: 'reset' });
    flags.interruptsEnabled = true;
    loop.turn();
    expect(told).toContain('running');
  });
});

describe('MachineLoop with a limited processor', () => {
  const shareOver = (seconds: number, { loop, host }: ReturnType<typeof machine>): number => {
    const [start, asleep] = [host.nanos, host.asleepNanos];
    while (host.nanos - start < seconds * 1e9) loop.turn();
    return 1 - (host.asleepNanos - asleep) / (host.nanos - start);
  };

  it.each([5, 30, 80])('gives a busy guest %i %% of the host, to within a twentieth', (cpuLimitPercent) => {
    const share = shareOver(2, machine({ nanosPerInstruction: 500, cpuLimitPercent }));
    expect(share * 100 / cpuLimitPercent).toBeGreaterThan(0.95);
    expect(share * 100 / cpuLimitPercent).toBeLessThan(1.05);
  });

  it('takes another limit while it runs, and none', () => {
    const running = machine({ nanosPerInstruction: 500, cpuLimitPercent: 20 });
    shareOver(0.5, running);
    running.mailbox.letters.push({ kind: 'cpu-limit', percent: 50 });
    expect(shareOver(2, running)).toBeCloseTo(0.5, 1);
    running.mailbox.letters.push({ kind: 'cpu-limit', percent: 100 });
    running.loop.turn();
    expect(shareOver(1, running)).toBe(1);
  });

  it('takes letters while it rests, and lets an idle guest save up no more than a moment', () => {
    const { loop, mailbox, told, host } = machine({ nanosPerInstruction: 500, cpuLimitPercent: 10 });
    for (let turn = 0; turn < 10; turn++) loop.turn();
    mailbox.letters.push({ kind: 'ping', sentAt: 0 });
    loop.turn();
    expect(told).toContain('letter ping');
    host.nanos += 60e9;
    host.asleepNanos += 60e9;
    const before = host.nanos;
    while (mailbox.waits.length === 0 || host.nanos === before) loop.turn();
    const waits = mailbox.waits.length;
    while (mailbox.waits.length === waits) loop.turn();
    expect(host.nanos - before).toBeLessThan(100e6);
  });
});
