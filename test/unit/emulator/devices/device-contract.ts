import { describe, expect, it } from 'vitest';

import type { AccessWidth, IoHandler } from '../../../../src/emulator/interfaces/bus.ts';
import type { Device } from '../../../../src/emulator/interfaces/device.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

/** A range of registers of the device under test: ports or memory-mapped. */
export interface ContractRange {
  readonly name: string;
  readonly handler: IoHandler;
  /** Length of the board's claim in bytes. */
  readonly length: number;
  /** Offsets that traffic should favour, for large and mostly empty ranges; else all are equally likely. */
  readonly offsets?: readonly number[];
}

/** One freshly built device with its surroundings. */
export interface ContractRig<Saved> {
  readonly device: Device<Saved>;
  readonly ranges: readonly ContractRange[];
  /** Everything the device shows to others: levels of its lines, bytes it sent since the last call… Compared by value. */
  observe?(): unknown;
  /** Something from outside: an interrupt, a key, a network frame, an acknowledge cycle. Draw on `random` only. */
  stimulate?(random: SeededRandom): unknown;
}

export interface ContractOptions {
  readonly seeds?: readonly number[];
  /** Accesses before the state is saved. */
  readonly accesses?: number;
  /** Longest step of time between two accesses. */
  readonly longestStepNanos?: number;
  /**
   * Restores twins at many moments instead of one. `observe` must then show nothing that a stand-in around the device
   * remembers and a new one doesn't (the order of claims, an earlier picture).
   */
  readonly manyTwins?: boolean;
  /** Accesses before the seeded ones, to bring the device to life. */
  readonly prepare?: (ranges: readonly ContractRange[]) => void;
}

const WIDTHS: readonly AccessWidth[] = [1, 2, 4];
/** Bytes that reach more of a chip than uniform noise does. */
const FAVOURED_BYTES: readonly number[] = [0x00, 0x01, 0x02, 0x03, 0x0f, 0x10, 0x20, 0x40, 0x7f, 0x80, 0xff];

const SAVING_MOMENTS = 50;
/** How many accesses each of the twins lives. Short lives come from many moments, the long one sees what shows late. */
const TWIN_LIVES: readonly number[] = [11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
const LONG_TWIN_LIFE = 1000;

function randomValue(random: SeededRandom, width: AccessWidth): number {
  const noise = random.next32();
  if (width === 4) return random.below(2) === 0 ? noise : noise & 0xff;
  if (width === 2) return noise & 0xffff;
  return random.below(2) === 0 ? random.pick(FAVOURED_BYTES) : noise & 0xff;
}

function randomWidth(random: SeededRandom): AccessWidth {
  return random.below(3) === 0 ? random.pick(WIDTHS) : 1;
}

/**
 * One random access, stimulus or step of time; returns what there was to see. The same `random` drives equal devices
 * the same way.
 */
function step<Saved>(rig: ContractRig<Saved>, clock: FakeClock, random: SeededRandom, longestStepNanos: number): unknown {
  const range = random.pick(rig.ranges);
  const offset = range.offsets !== undefined && random.below(4) !== 0 ? random.pick(range.offsets) : random.below(range.length);
  const action = random.below(10);
  if (action === 0) {
    clock.advance(random.below(longestStepNanos));
    return rig.observe?.();
  }
  if (action === 1 && rig.stimulate !== undefined) return [rig.stimulate(random), rig.observe?.()];
  const width = randomWidth(random);
  if (action < 6) {
    const value = range.handler.read(offset, width);
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * width)) {
      throw new Error(`${range.name}+${offset.toString(16)} read as ${value}, which is no unsigned number of ${width} bytes`);
    }
    return [range.name, offset, width, value, rig.observe?.()];
  }
  const value = randomValue(random, width);
  range.handler.write(offset, width, value);
  return [range.name, offset, width, value, 'written', rig.observe?.()];
}

function traffic<Saved>(rig: ContractRig<Saved>, clock: FakeClock, random: SeededRandom, count: number, longestStepNanos: number): unknown[] {
  const seen: unknown[] = [];
  for (let index = 0; index < count; index++) seen.push(structuredClone(step(rig, clock, random, longestStepNanos)));
  return seen;
}

/**
 * What holds for every device on the board. `build` makes a new device on the given clock, the same each time; the
 * tests bring their own traffic. Call it at the top of a device's test file.
 */
export function describeDeviceContract<Saved>(name: string, build: (clock: FakeClock) => ContractRig<Saved>, options: ContractOptions = {}): void {
  const seeds = options.seeds ?? [1, 2, 3, 4];
  const accesses = options.accesses ?? 1000;
  const longestStepNanos = options.longestStepNanos ?? 3_000_000;

  function used(seed: number): { rig: ContractRig<Saved>; clock: FakeClock } {
    const clock = new FakeClock();
    const rig = build(clock);
    rig.device.reset('power-on');
    options.prepare?.(rig.ranges);
    traffic(rig, clock, new SeededRandom(seed), accesses, longestStepNanos);
    return { rig, clock };
  }

  function restoredTwin(saved: Saved, at: FakeClock): { rig: ContractRig<Saved>; clock: FakeClock } {
    const clock = new FakeClock({ now: at.now(), epochSeconds: at.epochSeconds });
    const rig = build(clock);
    rig.device.reset('power-on');
    rig.device.restore(structuredClone(saved));
    return { rig, clock };
  }

  describe(`${name} keeps the device contract`, () => {
    it.each(seeds)('random traffic never throws and reads unsigned numbers of the asked width (seed %i)', (seed) => {
      expect(() => used(seed)).not.toThrow();
    });

    it.each(seeds)('saving, restoring into a new device and saving again gives equal states, at any moment (seed %i)', (seed) => {
      const { rig, clock } = used(seed);
      const random = new SeededRandom(seed + 4000);
      for (let moment = 0; moment < SAVING_MOMENTS; moment++) {
        const saved = rig.device.save();
        expect(structuredClone(saved), 'the state survives a structured clone').toEqual(saved);
        expect(restoredTwin(saved, clock).rig.device.save()).toEqual(saved);
        traffic(rig, clock, random, 7, longestStepNanos);
      }
    });

    it.each(seeds)('a restored twin behaves the same for the next thousand accesses (seed %i)', (seed) => {
      const { rig, clock } = used(seed);
      for (const life of options.manyTwins === true ? [...TWIN_LIVES, LONG_TWIN_LIFE] : [LONG_TWIN_LIFE]) {
        rig.observe?.();
        const twin = restoredTwin(rig.device.save(), clock);
        twin.rig.observe?.();
        const expected = traffic(rig, clock, new SeededRandom(seed + life), life, longestStepNanos);
        const actual = traffic(twin.rig, twin.clock, new SeededRandom(seed + life), life, longestStepNanos);
        expect(actual).toEqual(expected);
        expect(twin.rig.device.save()).toEqual(rig.device.save());
      }
    });

    it.each(seeds)('a saved state does not change with the device it came from (seed %i)', (seed) => {
      const { rig, clock } = used(seed);
      const saved = rig.device.save();
      const before = structuredClone(saved);
      traffic(rig, clock, new SeededRandom(seed + 2000), 200, longestStepNanos);
      expect(saved).toEqual(before);
      const twin = restoredTwin(saved, clock);
      twin.rig.device.restore(saved);
      traffic(twin.rig, twin.clock, new SeededRandom(seed + 3000), 200, longestStepNanos);
      expect(saved).toEqual(before);
    });

    it.each(['power-on', 'soft'] as const)('a second %s reset changes nothing', (kind) => {
      const { rig } = used(seeds[0] ?? 1);
      rig.device.reset(kind);
      const once = structuredClone(rig.device.save());
      rig.device.reset(kind);
      expect(rig.device.save()).toEqual(once);
    });

    it('a power-on reset leaves no trace of earlier traffic', () => {
      const { rig, clock } = used(seeds[0] ?? 1);
      rig.device.reset('power-on');
      const fresh = build(new FakeClock({ now: clock.now(), epochSeconds: clock.epochSeconds }));
      fresh.device.reset('power-on');
      expect(rig.device.save()).toEqual(fresh.device.save());
    });

    it('peek changes nothing', () => {
      const { rig } = used(seeds[0] ?? 1);
      rig.observe?.();
      const before = structuredClone(rig.device.save());
      for (const range of rig.ranges) {
        const offsets = range.length <= 4096 ? Array.from({ length: range.length }, (_, offset) => offset) : (range.offsets ?? []);
        for (const offset of offsets) for (const width of WIDTHS) range.handler.peek?.(offset, width);
      }
      expect(rig.device.save()).toEqual(before);
    });
  });
}
