import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../../src/emulator/machine/scheduler.ts';
import { HostTimeSource, InstructionTimeSource } from '../../../../src/emulator/machine/time-source.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

function hostMachine() {
  const host = { nanos: 5_000 };
  const source = new HostTimeSource(() => host.nanos);
  return { host, source, scheduler: new Scheduler(source, 0) };
}

describe('Scheduler', () => {
  it('fires timers in the order of their deadlines and not before', () => {
    const { host, scheduler } = hostMachine();
    const fired: string[] = [];
    const late = scheduler.timer('late', () => fired.push('late'));
    const early = scheduler.timer('early', () => fired.push('early'));
    late.arm(300);
    early.arm(100);
    expect(scheduler.nextDeadline()).toBe(100);
    host.nanos += 99;
    expect(scheduler.runDue()).toBe(0);
    host.nanos += 301;
    expect(scheduler.runDue()).toBe(2);
    expect(fired).toEqual(['early', 'late']);
    expect(late.deadline).toBeUndefined();
    expect(scheduler.nextDeadline()).toBeUndefined();
  });

  it('knows the deadline after the next one, also an equal one', () => {
    const { scheduler } = hostMachine();
    const random = new SeededRandom(1);
    const deadlines: number[] = [];
    expect(scheduler.secondDeadline()).toBeUndefined();
    for (let count = 0; count < 50; count++) {
      const deadline = random.below(40);
      deadlines.push(deadline);
      deadlines.sort((a, b) => a - b);
      scheduler.timer('t', () => {}).arm(deadline);
      expect(scheduler.secondDeadline()).toBe(deadlines[1]);
    }
  });

  it('fires equal deadlines in the order of arming, also after being armed again', () => {
    const { host, scheduler } = hostMachine();
    const fired: string[] = [];
    const timers = ['a', 'b', 'c', 'd'].map((label) => scheduler.timer(label, () => fired.push(label)));
    for (const timer of timers) timer.arm(10);
    timers[1]!.arm(10);
    host.nanos += 10;
    scheduler.runDue();
    expect(fired).toEqual(['a', 'c', 'd', 'b']);
  });

  it('keeps a heap of many timers in order while they are armed and disarmed at random', () => {
    const { host, scheduler } = hostMachine();
    const random = new SeededRandom(7);
    const fired: number[] = [];
    const timers = Array.from({ length: 200 }, (_, index) => scheduler.timer(`t${index}`, () => fired.push(index)));
    for (let step = 0; step < 2_000; step++) {
      const timer = timers[random.below(timers.length)]!;
      if (random.below(4) === 0) timer.disarm();
      else timer.arm(random.below(1_000));
    }
    const expected = scheduler.armed().map((entry) => Number(entry.label.slice(1)));
    host.nanos += 1_000;
    scheduler.runDue();
    expect(fired).toEqual(expected);
    expect(fired.length).toBeGreaterThan(100);
  });

  it('fires a timer that arms itself for the past once per call, so that late ticks are not merged', () => {
    const { host, scheduler } = hostMachine();
    let ticks = 0;
    let deadline = 100;
    const timer = scheduler.timer('tick', () => {
      ticks++;
      deadline += 100;
      timer.arm(deadline);
    });
    timer.arm(deadline);
    host.nanos += 350;
    scheduler.runDue();
    expect(ticks).toBe(1);
    scheduler.runDue();
    scheduler.runDue();
    expect(ticks).toBe(3);
    scheduler.runDue();
    expect(ticks).toBe(3);
    expect(scheduler.nextDeadline()).toBe(400);
  });

  it('leaves a held timer disarmed when a later callback disarms it', () => {
    const { host, scheduler } = hostMachine();
    let ticks = 0;
    const tick = scheduler.timer('tick', () => {
      ticks++;
      tick.arm(10);
    });
    const stop = scheduler.timer('stop', () => tick.disarm());
    tick.arm(10);
    stop.arm(20);
    host.nanos += 100;
    scheduler.runDue();
    scheduler.runDue();
    expect(ticks).toBe(1);
    expect(scheduler.nextDeadline()).toBeUndefined();
  });

  it('says when a timer is armed for earlier than the slice that is running', () => {
    const { scheduler } = hostMachine();
    let calls = 0;
    const timer = scheduler.timer('t', () => {});
    scheduler.watchHorizon(500, () => calls++);
    timer.arm(600);
    expect(calls).toBe(0);
    timer.arm(400);
    timer.arm(450);
    expect(calls).toBe(1);
    scheduler.forgetHorizon();
    timer.arm(10);
    expect(calls).toBe(1);
  });
});

describe('HostTimeSource', () => {
  it('stands still while paused', () => {
    const { host, source } = hostMachine();
    host.nanos += 1_000;
    expect(source.now()).toBe(1_000);
    source.pause();
    host.nanos += 1_000_000;
    expect(source.now()).toBe(1_000);
    source.resume();
    host.nanos += 5;
    expect(source.now()).toBe(1_005);
  });

  it('forgets what a sleeping host lost beyond a second', () => {
    const { host, source } = hostMachine();
    host.nanos += 3_600e9;
    expect(source.now()).toBe(1e9);
  });

  it('never goes back', () => {
    const { host, source } = hostMachine();
    host.nanos += 100;
    source.now();
    host.nanos -= 50;
    expect(source.now()).toBe(100);
  });
});

describe('InstructionTimeSource', () => {
  it('asks for exactly the instructions that bring it to a deadline', () => {
    let instructions = 0;
    const source = new InstructionTimeSource(() => instructions, 7);
    for (const deadline of [1, 999, 1_000, 12_345, 1_000_000]) {
      instructions += source.instructionsUntil(deadline);
      expect(source.now()).toBeGreaterThanOrEqual(deadline);
      instructions -= 1;
      expect(source.now()).toBeLessThan(deadline);
      instructions += 1;
    }
  });

  it('skips halted time', () => {
    let instructions = 100;
    const source = new InstructionTimeSource(() => instructions, 100);
    expect(source.now()).toBe(1_000);
    source.skipTo(3_600e9);
    expect(source.now()).toBe(3_600e9);
    instructions += 100;
    expect(source.now()).toBe(3_600e9 + 1_000);
    expect(source.instructionsUntil(3_600e9 + 2_000)).toBe(100);
    expect(source.instructionsUntil(5)).toBe(0);
  });
});
