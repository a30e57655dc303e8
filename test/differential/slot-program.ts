/**
 * Random programs that do on purpose what is hard for a translator: overwrite themselves, jump into their own middle, by
 * address and to other linear addresses of the same page, have pages exchanged below them, fault and go on, leave flags for others to read.
 * They are made of slots of equal length, so that any place can be jumped to, and any be overwritten.
 */
import type { Random } from '../isa/random.ts';
import { PAGE_TABLES, type CpuRig, type RigMode } from '../support/cpu-rig.ts';
import { WINDOW } from './random-program.ts';

const SLOT = 32;
const SLOTS = 36;
/** Both pages of code appear here too. */
const ALIAS = 0x40000;
/** A page of two functions, which lies at one of two places. */
const EXCHANGED = 0x14000;
const PLACES = [0x14000, 0x15000] as const;
/** The handler that lets pages be there again and goes on, and the one that counts and goes on. */
const MENDING_HANDLER = 0x8800;
const COUNTING_HANDLER = 0x8900;
export const COUNTING_VECTOR = 0x40;
/** Pages that data accesses reach; they may be absent. */
const DATA_PAGES = [0x20000, 0x21000] as const;
const COUNTER = WINDOW + 0x2f0;
const STACK = 0x17000;

const bytes32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];

interface Slot {
  readonly bytes: readonly number[];
  /** Two-operand arithmetic between registers: which of its bytes may become what. */
  readonly isArithmetic: boolean;
}

export class SlotProgram {
  readonly mode: RigMode & { readonly bits: 32 | 64 };
  readonly start: number;
  readonly #random: Random;
  readonly #slots: Slot[] = [];
  readonly #rex: readonly number[];

  constructor(mode: RigMode & { readonly bits: 32 | 64 }, random: Random) {
    this.mode = mode;
    this.#random = random;
    this.#rex = mode.bits === 64 ? [0x48] : [];
    // Half of them across the end of a page, at any offset.
    this.start = random.below(2) ? 0x10fff - random.below(SLOTS * SLOT) : 0x10000 + random.below(0x800);
    for (let slot = 0; slot < SLOTS; slot++) this.#slots.push(this.#slot(slot));
  }

  /** Memory, page tables and handlers as they are at first. Registers are the caller's, but for the stack pointer. */
  place(rig: CpuRig): void {
    const { mode, start } = this;
    for (const [index, { bytes }] of this.#slots.entries()) rig.load(start + index * SLOT, bytes);
    rig.load(start + SLOTS * SLOT, [0xe9, ...bytes32(-SLOTS * SLOT - 5)]);
    for (const page of [0, 0x1000]) rig.mapPage(ALIAS + page, 0x10000 + page, mode);
    const [rex, arithmetic] = [this.#rex, (opcode: number): number[] => [...this.#rex, opcode, 0xd8]];
    for (const [index, at] of PLACES.entries()) {
      rig.load(at, [...arithmetic(index ? 0x29 : 0x01), ...rex, 0xff, index ? 0xc9 : 0xc1, 0xc3]);
      rig.load(at + 0x80, [...arithmetic(index ? 0x11 : 0x31), 0xc3]);
    }
    rig.mapPage(EXCHANGED, PLACES[0], mode);
    for (const page of DATA_PAGES) rig.mapPage(page, page, mode);
    rig.load(MENDING_HANDLER, [...DATA_PAGES.flatMap((page) => this.#mapPage(page, page)), ...rex, 0x83, 0xc4, mode.bits / 8, ...rex, 0xcf]);
    rig.load(COUNTING_HANDLER, [...rex, 0xff, ...this.#absolute(0, COUNTER), ...rex, 0xcf]);
    rig.gate(14, MENDING_HANDLER, mode);
    rig.gate(COUNTING_VECTOR, COUNTING_HANDLER, mode);
    // Returns that nothing was called for lead to slots.
    const stack = new DataView(new ArrayBuffer(0x800));
    for (let at = 0; at < 0x800; at += mode.bits / 8) stack.setUint32(at, start + (at % SLOTS) * SLOT, true);
    rig.load(STACK, new Uint8Array(stack.buffer));
    rig.setRegister(4, STACK);
    rig.setRegister(5, WINDOW);
    rig.setRegister(1, 1 + (start & 31));
  }

  /** What happens between two budgets, to any machine alike. */
  event(): ((rig: CpuRig) => void) | undefined {
    const random = this.#random;
    switch (random.below(6)) {
      case 0: return (rig) => { rig.interrupt(COUNTING_VECTOR); };
      case 1: {
        const change = this.#change();
        if (!change) return undefined;
        const { at, value } = change;
        return (rig) => { rig.load(at, [value]); };
      }
      case 2: {
        const page = random.pick(DATA_PAGES);
        return (rig) => { rig.mapPage(page, undefined, this.mode); };
      }
      case 3: {
        const page = random.pick(DATA_PAGES);
        // Present, for reading only, at CPL 0 only.
        const rights = random.pick([7, 5, 1, 3]);
        return (rig) => { rig.mapPage(page, page, this.mode, rights); };
      }
      case 4: {
        const place = random.pick(PLACES);
        return (rig) => { rig.mapPage(EXCHANGED, place, this.mode); };
      }
      default: return undefined;
    }
  }

  // Slots

  #target(): number {
    return this.start + this.#random.below(SLOTS) * SLOT;
  }
  /** ModRM (register field given) and displacement of an absolute address. */
  #absolute(field: number, address: number): number[] {
    return this.mode.bits === 64 ? [0x04 | (field << 3), 0x25, ...bytes32(address)] : [0x05 | (field << 3), ...bytes32(address)];
  }
  /** Writes a page table entry and has the TLB know. */
  #mapPage(linear: number, physical: number): number[] {
    const entry = PAGE_TABLES + 0x3000 + (linear >> 12) * (this.mode.bits / 8);
    return [...this.#rex, 0xc7, ...this.#absolute(0, entry), ...bytes32(physical | 7), 0x0f, 0x01, ...this.#absolute(7, linear)];
  }
  #load32(register: number, value: number): number[] {
    return [0xb8 + register, ...bytes32(value)];
  }

  /** A byte of an arithmetic slot, and what it becomes: another operation, or other registers. */
  #change(): { readonly at: number; readonly value: number } | undefined {
    const random = this.#random;
    const arithmetic = [...this.#slots.keys()].filter((index) => this.#slots[index]?.isArithmetic);
    if (arithmetic.length === 0) return undefined;
    const at = this.start + random.pick(arithmetic) * SLOT + this.#rex.length;
    return random.below(2) ? { at, value: random.pick(OPERATIONS) } : { at: at + 1, value: 0xc0 | (random.pick(FREE) << 3) | random.pick(FREE) };
  }

  #slot(index: number): Slot {
    const random = this.#random;
    const here = this.start + index * SLOT;
    const isArithmetic = random.below(4) === 0;
    let code = isArithmetic ? [...this.#rex, random.pick(OPERATIONS), 0xc0 | (random.pick(FREE) << 3) | random.pick(FREE)] : this.#code(here);
    // Some do more before they go on.
    if (random.below(3) === 0) for (let more = 1 + random.below(5); more > 0 && code.length < SLOT - 11; more--) code = [...code, ...this.#flags()];
    if (code.length > SLOT - 2) code = [];
    const rest = SLOT - code.length;
    return { bytes: [...code, ...(rest >= 5 && random.below(2) ? [0xe9, ...bytes32(rest - 5)] : [0xeb, rest - 2]), ...Array.from({ length: SLOT }, () => 0x90)].slice(0, SLOT), isArithmetic };
  }

  /** Sets flags, or reads them; INC and DEC keep CF. */
  #flags(): number[] {
    const random = this.#random;
    const register = random.pick(FREE);
    return random.pick([
      [...this.#rex, 0xff, 0xc0 | register], [...this.#rex, 0xff, 0xc8 | register], [0xfe, 0xc0 | random.pick([0, 2, 3])], [0xf5], [0xf9], [0xf8],
      [0x0f, 0x90 | random.below(16), 0xc0 | random.pick([0, 2, 3])], [...this.#rex, 0x0f, 0x40 | random.below(16), 0xc0 | (register << 3) | random.pick(FREE)],
      [...this.#rex, 0xd1, 0xd0 | register], [...this.#rex, 0xd1, 0xd8 | register], [...this.#rex, 0xd3, 0xe0 | register], [...this.#rex, 0x0f, 0xa3, 0xc0 | (register << 3) | random.pick(FREE)],
      [0x9c, 0x58 | register], [0x9f], [0x9e], [...this.#rex, 0x0f, 0xaf, 0xc0 | (register << 3) | random.pick(FREE)],
    ]);
  }

  #code(here: number): number[] {
    const random = this.#random;
    const rex = this.#rex;
    const register = random.pick(FREE);
    const relative = (opcode: readonly number[], before = 0): number[] => [...opcode, ...bytes32(this.#target() - here - before - opcode.length - 4)];
    const kinds: (() => number[])[] = [
      // Loads, stores and both, some in two pages and some where no page may be.
      () => [...rex, random.pick([0x8b, 0x89, 0x01, 0x03, 0x11, 0x2b, 0x87]), 0x85 | (register << 3), ...bytes32(random.pick([0x0, 0x40, 0xf9, 0xfd, 0x100, 0x120]))],
      () => [0xf0, ...rex, 0x0f, 0xc1, 0x85 | (register << 3), ...bytes32(random.pick([0x0, 0xfc, 0x100]))],
      () => [...this.#load32(6, WINDOW + random.below(0x100)), ...this.#load32(7, WINDOW + random.below(0x140)), ...this.#load32(1, random.below(12)), 0xf3, random.pick([0xa4, 0xaa, 0xa6, 0xae])],
      () => relative([0x0f, 0x80 | random.below(16)]),
      () => [...rex, 0xff, 0xc9, ...relative([0x0f, 0x85], rex.length + 2)],
      () => [0x83, 0xe1, 0x07],
      () => relative([0xe8]),
      () => [0xc3],
      // By address: here, or where the same page appears too.
      () => [...this.#load32(register, this.#target() + random.pick([0, 0, ALIAS - 0x10000])), 0xff, random.pick([0xe0, 0xd0]) | register],
      // Of the pages that are exchanged, called by address and directly.
      () => [...this.#load32(register, EXCHANGED + random.pick([0, 0x80])), 0xff, 0xd0 | register],
      () => [0xe8, ...bytes32(EXCHANGED + random.pick([0, 0x80]) - here - 5)],
      // Over code: a byte; what comes next; through the other address; by a string instruction; by a push; a whole slot's beginning.
      () => {
        const change = this.#change();
        return change ? [0xc6, ...this.#absolute(0, change.at + random.pick([0, 0, ALIAS - 0x10000])), change.value] : [];
      },
      () => {
        const change = this.#change();
        return change ? [0xb0, change.value, ...this.#load32(7, change.at), random.below(2) ? 0xaa : 0x90] : [];
      },
      // Onto itself: the operand of the MOV behind, in the same block.
      () => [0xc6, ...this.#absolute(0, here + (this.mode.bits === 64 ? 9 : 8)), random.below(0x80), 0xb8 | random.pick([0, 2, 3]), ...bytes32(0x11)],
      () => [0xcd, COUNTING_VECTOR],
      // x87: of the window, and what keeps its stack from running over.
      () => [0xdd, 0x85, ...bytes32(random.below(16) * 8), 0xdc, random.pick([0xc0, 0xc8, 0xe0, 0xf0]) | random.below(2), 0xdd, 0x9d, ...bytes32(random.below(16) * 8)],
      () => [0xdb, 0xe3], () => [0xd9, 0xe8, 0xd8, random.pick([0xc0, 0xc8, 0xe0, 0xe8, 0xf0, 0xf8]), 0xd9, 0x9d, ...bytes32(0x80)],
      () => [...(random.below(2) ? [0xf2] : [0x66]), 0x0f, random.pick([0x58, 0x59, 0x5c, 0x5e, 0x51]), 0xc0 | (random.below(4) << 3) | random.below(4)],
    ];
    if (this.mode.cpl === 0) {
      kinds.push(
        () => this.#mapPage(EXCHANGED, random.pick(PLACES)), () => [0x50, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0x58], () => [0x9c, 0xfa, 0x9d], () => [0xfb], () => [0xfa], () => [0xec], () => [0xee], () => [0x0f, 0x06],
      );
    }
    return random.pick(kinds)();
  }
}

/** ADD OR ADC SBB AND SUB XOR CMP TEST MOV, r/m and r. */
const OPERATIONS = [0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x85, 0x89] as const;
/** Registers that programs compute with: not the loop's counter, the stack pointer, the window's address and the strings'. */
const FREE = [0, 2, 3] as const;
