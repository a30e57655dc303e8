import { add, and, call, eq, eqz, extendS, extendU, geU, gtU, i32, i64, load, ltS, ltU, ne, or, select, shl, shrS, shrU, sub, wrap, type Expr } from '../../wasm/expression.ts';
import { FunctionBody, type Label } from '../../wasm/function-body.ts';
import type { ModuleBuilder } from '../../wasm/module-builder.ts';
import { VECTOR_GP, VECTOR_UD } from '../arch.ts';
import { HALF_BIT_32, HALF_BIT_64, halfShift, jumpCacheEntry, jumpCacheKey } from '../jump-cache.ts';
import {
  CODE_CHUNK_PAGE, CODE_PAGE_ENTRIES, CODE_UNIT_BYTES, ENTRY_TABLE_BITS, ENTRY_TABLE_BYTES, GLOBAL_CODE_ARENA_GENERATION, HANDLER_NUMBER_COLD, HANDLER_NUMBER_COUNT, HANDLER_NUMBER_REGION, JUMP_ELEMENT, JUMP_ENTRY, PAGE_BYTES, RECORD_A, RECORD_BYTES, RECORD_DISPLACEMENT, RECORD_HANDLER, RECORD_IMMEDIATE, RECORD_IP, RECORD_LENGTH, RECORD_LINK, RECORD_REMAINING, RECORD_SEGMENT,
} from '../memory-layout.ts';
import { RUNTIME_FUNCTIONS, type RuntimeFunction } from '../runtime-functions.ts';
import {
  ACCESS_STACK, ATTENTION, ATTENTION_DEVICE, BUDGET, CODE_TLB, CS, CODE_TLB_ENTRIES, COUNT_EXCEPTIONS, COUNT_LEAPS, COUNT_LEAPS_MISSED, COUNT_REGION_FAULTS, COUNT_REGION_FINISHED, COUNT_REGION_SINGLES, COUNT_REGION_SPENT, COUNT_TRANSLATED, EXIT_ATTENTION, EXIT_BUDGET, EXIT_REASON, EXIT_STEPPED, FAULT_VECTOR, HOT_THRESHOLD, MODE, MODE_CODE_64, MODE_CS_LIMITED, RIP, RIP_PAGE, SEGMENT_LIMIT, SEGMENT_SS,
  STATUS_AGAIN, STATUS_FAULT, STATUS_NEXT, STATUS_RESUME,
} from '../state-layout.ts';

/** The machine loop gets its turn after so many exceptions, a power of two. */
const EXCEPTIONS_A_RUN = 4096;

/** Goes on at a record with a budget. */
export type Dispatch = (record: Expr, budget: Expr) => void;

/**
 * How control passes between handlers. A handler is `(record i32, budget i32) -> ()` and ends by tail-calling another;
 * returning leaves the interpreter with EXIT_REASON, RIP and BUDGET stored.
 *
 * Invariant: on entry to a block's first record its RECORD_REMAINING has been taken from the budget; a block left early
 * gives back what it did not execute. So the count is exact wherever the interpreter stops.
 */
export class Flow {
  readonly module: ModuleBuilder;
  readonly handlerType: number;
  readonly runtime: Readonly<Record<RuntimeFunction, number>>;
  readonly decodeCrossing: number;
  /** (rip i64, budget): finds the record at CS:rip and goes there. */
  readonly resume: number;
  /** (record, budget): delivers the pending fault of the instruction. */
  readonly fault: number;
  /** (record, budget, status): ends an instruction as its helper says. */
  readonly finish: number;
  /** (record, budget): goes to the target of a branch within the page, linking it. */
  readonly link: number;
  /** (record, budget): takes the branch of a record that has no link yet, or whose target lies in another page. */
  readonly branch: number;
  /** (record, budget, linear i64, bytes, access) -> pointer or 0: the slow path, with the count made exact. */
  readonly slow: number;
  /** (record, budget): leaves for the machine loop at the next instruction. */
  readonly attend: number;
  readonly regionType: number;
  /** (rip i64, budget, entry): what unused elements of the table of regions hold: goes on in the interpreter. */
  readonly noRegion: number;
  /** Gates count executions and call `hot` (record) when there were enough. */
  private readonly hot: number;
  private readonly cpuBase: number;

  constructor(module: ModuleBuilder, cpuBase: number) {
    this.module = module;
    this.cpuBase = cpuBase;
    const runtime: Record<string, number> = {};
    for (const [name, [parameters, result]] of Object.entries(RUNTIME_FUNCTIONS)) {
      runtime[name] = module.importFunction('runtime', name, parameters, result ? [result] : []);
    }
    this.runtime = runtime as Record<RuntimeFunction, number>;
    this.decodeCrossing = module.importFunction('decoder', 'decodeCrossing', ['i32'], ['i32']);
    this.hot = module.importFunction('decoder', 'hot', ['i32'], []);
    this.regionType = module.type(['i64', 'i32', 'i32'], []);
    this.handlerType = module.type(['i32', 'i32'], []);
    this.resume = module.declare(['i64', 'i32'], [], 'resume');
    this.fault = module.declare(['i32', 'i32'], [], 'fault');
    this.finish = module.declare(['i32', 'i32', 'i32'], [], 'finish');
    this.link = module.declare(['i32', 'i32'], [], 'link');
    this.branch = module.declare(['i32', 'i32'], [], 'branch');
    this.slow = module.declare(['i32', 'i32', 'i64', 'i32', 'i32'], ['i32'], 'slow');
    this.attend = module.declare(['i32', 'i32'], [], 'attend');
    this.noRegion = module.declare(['i64', 'i32', 'i32'], [], 'noRegion');
    this.defineResume();
    this.defineFault();
    this.defineFinish();
    this.defineLink();
    this.defineBranch();
    this.defineSlow();
    this.defineAttend();
    this.defineEnter();
    this.defineRegionExits();
  }

  private state(type: 'i32' | 'i64', offset: number): Expr {
    return load(type, type === 'i64' ? 'u64' : 'u32', i32(0), this.cpuBase + offset);
  }
  private setState(body: FunctionBody, bits: 32 | 64, offset: number, value: Expr): void {
    body.store(bits, i32(0), value, this.cpuBase + offset);
  }

  /** RIP of a record's own instruction (or, `after`, of the next), wrapped to 32 bits outside 64-bit mode. */
  ripOf(body: FunctionBody, record: Expr, after: boolean): Expr {
    let offset = load('i32', 'u16', record, RECORD_IP);
    if (after) offset = add(offset, load('i32', 'u8', record, RECORD_LENGTH));
    const rip = body.let(add(this.state('i64', RIP_PAGE), extendU(offset)));
    return select(and(this.state('i32', MODE), i32(MODE_CODE_64)), rip, and(rip, i64(0xffffffffn)));
  }

  /** Dispatches to `record`'s handler. */
  dispatch(body: FunctionBody, record: Expr, budget: Expr): void {
    body.returnCallIndirect(this.handlerType, [record, budget], load('i32', 'u16', record, RECORD_HANDLER));
  }

  /** Enters the block that begins at `record` (a local): pays for it or stops there. */
  enterBlock(body: FunctionBody, record: Expr, budget: Expr, dispatch: Dispatch = (to, rest) => this.dispatch(body, to, rest)): void {
    const rest = body.let(sub(budget, load('i32', 'u8', record, RECORD_REMAINING)));
    body.if(ltS(rest, i32(0)), () => {
      this.setState(body, 64, RIP, this.ripOf(body, record, false));
      this.exit(body, budget, EXIT_BUDGET);
    });
    dispatch(record, rest);
  }

  exit(body: FunctionBody, budget: Expr, reason?: number): void {
    this.setState(body, 32, BUDGET, budget);
    if (reason !== undefined) this.setState(body, 32, EXIT_REASON, i32(reason));
    body.return();
  }

  /** The record for RIP, where it is the linear address, if the code TLB has its page in `mode`; branches to `none` otherwise. */
  private knownRecord(body: FunctionBody, rip: Expr, mode: Expr, none: Label): Expr {
    const entry = body.let(and(wrap(shrU(rip, i64(8n))), i32((CODE_TLB_ENTRIES - 1) << 4)));
    body.brIf(none, ne(load('i64', 'u64', entry, this.cpuBase + CODE_TLB), or(and(rip, i64(~0xfffn)), extendU(mode))));
    const page = load('i32', 'u32', entry, this.cpuBase + CODE_TLB + 8);
    const offset = body.let(and(wrap(rip), i32(PAGE_BYTES - 1)));
    const table = load('i32', 'u32', add(page, shl(shrU(offset, i32(ENTRY_TABLE_BITS)), i32(2))), CODE_PAGE_ENTRIES);
    const record = body.let(load('i32', 'u32', add(table, and(shl(offset, i32(2)), i32(ENTRY_TABLE_BYTES - 1)))));
    body.brIf(none, eqz(record));
    return record;
  }

  private defineResume(): void {
    const body = new FunctionBody(['i64', 'i32']);
    const rip = body.parameter(0);
    const budget = body.parameter(1);
    const mode = body.let(this.state('i32', MODE));
    const record = body.newLocal('i32');
    body.block((slow) => {
      // Without MODE_CS_LIMITED the CS base is 0, so RIP is the linear address.
      body.brIf(slow, and(mode, i32(MODE_CS_LIMITED)));
      body.set(record, this.knownRecord(body, rip, mode, slow));
      // Where control was sent a gate has to stand, or the place would never be found hot: `fetch` sets one.
      const fromGate = sub(load('i32', 'u16', record, RECORD_HANDLER), i32(HANDLER_NUMBER_COUNT));
      body.brIf(slow, and(ltU(i32(HANDLER_NUMBER_COLD - HANDLER_NUMBER_COUNT), fromGate), ne(this.state('i32', HOT_THRESHOLD), i32(0))));
      this.setState(body, 64, RIP_PAGE, and(rip, i64(~0xfffn)));
      this.enterBlock(body, record, budget);
    });
    this.fetchAndEnter(body, rip, budget);
    this.module.define(this.resume, body);
  }

  /** Has the runtime find the record at CS:RIP, and goes there. */
  private fetchAndEnter(body: FunctionBody, rip: Expr, budget: Expr): void {
    this.setState(body, 64, RIP, rip);
    this.setState(body, 32, BUDGET, budget);
    const record = body.let(call(this.runtime.fetch, 'i32', rip));
    body.if(record, () => {
      this.enterBlock(body, record, budget);
    });
    this.deliverFetchFault(body, budget);
  }

  /**
   * Delivers the pending fault at RIP and goes on, or leaves: where a single instruction was wanted, and now and then in
   * any case, because faults cost no budget and a handler may fault for ever.
   */
  private deliver(body: FunctionBody, budget: Expr): void {
    this.setState(body, 32, BUDGET, budget);
    body.if(eq(call(this.runtime.deliverFault, 'i32'), i32(STATUS_RESUME)), () => {
      body.if(eq(this.state('i32', EXIT_REASON), i32(EXIT_STEPPED)), () => body.return());
      body.if(eqz(and(this.state('i32', COUNT_EXCEPTIONS), i32(EXCEPTIONS_A_RUN - 1))), () => {
        this.setState(body, 32, ATTENTION, or(this.state('i32', ATTENTION), i32(ATTENTION_DEVICE)));
        this.exit(body, budget, EXIT_ATTENTION);
      });
      body.returnCall(this.resume, [this.state('i64', RIP), budget]);
    });
    body.return();
  }

  /** As `deliver`, for a fault in fetching the next instruction: that is not begun with no budget left. */
  private deliverFetchFault(body: FunctionBody, budget: Expr): void {
    body.if(eqz(budget), () => {
      this.setState(body, 32, FAULT_VECTOR, i32(-1));
      this.exit(body, budget, EXIT_BUDGET);
    });
    this.deliver(body, budget);
  }

  private defineFault(): void {
    const body = new FunctionBody(['i32', 'i32']);
    const record = body.parameter(0);
    const budget = body.let(add(body.parameter(1), load('i32', 'u8', record, RECORD_REMAINING)));
    this.setState(body, 64, RIP, this.ripOf(body, record, false));
    this.deliver(body, budget);
    this.module.define(this.fault, body);
  }

  private defineFinish(): void {
    const body = new FunctionBody(['i32', 'i32', 'i32']);
    const record = body.parameter(0);
    const given = body.parameter(1);
    const status = body.parameter(2);
    body.if(eq(status, i32(STATUS_NEXT)), () => {
      const next = body.let(add(record, i32(RECORD_BYTES)));
      body.if(eq(load('i32', 'u8', record, RECORD_REMAINING), i32(1)), () => {
        this.enterBlock(body, next, given);
      });
      this.dispatch(body, next, given);
    });
    body.if(eq(status, i32(STATUS_FAULT)), () => {
      body.returnCall(this.fault, [record, given]);
    });
    const unexecuted = body.let(add(given, load('i32', 'u8', record, RECORD_REMAINING)));
    body.if(eq(status, i32(STATUS_AGAIN)), () => {
      this.setState(body, 64, RIP, this.ripOf(body, record, false));
      this.exit(body, unexecuted, EXIT_BUDGET);
    });
    const budget = body.let(sub(unexecuted, i32(1)));
    body.if(eq(status, i32(STATUS_RESUME)), () => {
      body.returnCall(this.resume, [this.state('i64', RIP), budget]);
    });
    this.exit(body, budget);
    this.module.define(this.finish, body);
  }

  private defineLink(): void {
    const body = new FunctionBody(['i32', 'i32']);
    const record = body.parameter(0);
    const budget = body.parameter(1);
    const generation = body.let(load('i32', 'u32', i32(0), GLOBAL_CODE_ARENA_GENERATION));
    const rip = body.let(add(this.state('i64', RIP_PAGE), extendU(load('i32', 'u32', record, RECORD_IMMEDIATE))));
    const masked = body.let(select(and(this.state('i32', MODE), i32(MODE_CODE_64)), rip, and(rip, i64(0xffffffffn))));
    this.setState(body, 64, RIP, masked);
    this.setState(body, 32, BUDGET, budget);
    const target = body.let(call(this.runtime.fetch, 'i32', masked));
    body.if(eqz(target), () => {
      this.deliverFetchFault(body, budget);
    });
    // Records of other pages may be gone when this one still stands. One linear page can be two, where page tables changed unsaid.
    const pageOf = (one: Expr): Expr => load('i32', 'u32', and(one, i32(-CODE_UNIT_BYTES)), CODE_CHUNK_PAGE);
    body.if(and(eq(generation, load('i32', 'u32', i32(0), GLOBAL_CODE_ARENA_GENERATION)), eq(pageOf(record), pageOf(target))), () => {
      body.store(32, record, target, RECORD_LINK);
    });
    this.enterBlock(body, target, budget);
    this.module.define(this.link, body);
  }

  private defineBranch(): void {
    const body = new FunctionBody(['i32', 'i32']);
    const [record, budget] = [body.parameter(0), body.parameter(1)];
    const offset = body.let(load('i32', 's32', record, RECORD_IMMEDIATE));
    body.if(ltU(offset, i32(PAGE_BYTES)), () => body.returnCall(this.link, [record, budget]));
    const long = and(this.state('i32', MODE), i32(MODE_CODE_64));
    const rip = body.let(add(this.state('i64', RIP_PAGE), extendS(offset)));
    const target = body.let(select(long, rip, and(rip, i64(0xffffffffn))));
    const outside = select(long, ne(shrS(shl(rip, i64(16)), i64(16)), rip), gtU(wrap(rip), this.state('i32', CS + SEGMENT_LIMIT)));
    body.if(outside, () => {
      body.call(this.runtime.raise, [i32(VECTOR_GP), i32(0), i32(1)]);
      body.returnCall(this.fault, [record, budget]);
    });
    body.returnCall(this.resume, [target, budget]);
    this.module.define(this.branch, body);
  }

  private defineSlow(): void {
    const body = new FunctionBody(['i32', 'i32', 'i64', 'i32', 'i32']);
    this.setState(body, 32, BUDGET, add(body.parameter(1), load('i32', 'u8', body.parameter(0), RECORD_REMAINING)));
    const throughStackSegment = eq(load('i32', 'u8', body.parameter(0), RECORD_SEGMENT), i32(SEGMENT_SS));
    const access = or(body.parameter(4), shl(throughStackSegment, i32(Math.log2(ACCESS_STACK))));
    body.returnValue(call(this.runtime.slowAccess, 'i32', body.parameter(2), body.parameter(3), access));
    body.unreachable();
    this.module.define(this.slow, body);
  }

  private defineAttend(): void {
    const body = new FunctionBody(['i32', 'i32']);
    const record = body.parameter(0);
    this.setState(body, 64, RIP, this.ripOf(body, record, true));
    const budget = add(body.parameter(1), sub(load('i32', 'u8', record, RECORD_REMAINING), i32(1)));
    this.exit(body, budget, EXIT_ATTENTION);
    this.module.define(this.attend, body);
  }

  private defineEnter(): void {
    const enter = this.module.declare([], [], 'enter');
    const body = new FunctionBody([]);
    body.returnCall(this.resume, [this.state('i64', RIP), this.state('i32', BUDGET)]);
    this.module.define(enter, body);
    this.module.export('enter', enter);
    // Executes one record that is not part of a block of its own, with the budget stored.
    const enterRecord = this.module.declare(['i32'], [], 'enterRecord');
    const single = new FunctionBody(['i32']);
    this.enterBlock(single, single.parameter(0), this.state('i32', BUDGET));
    this.module.define(enterRecord, single);
    this.module.export('enterRecord', enterRecord);
  }

  /** Goes to the region that the gate at RIP leads into, and has the jump cache know it. */
  private enterRegion(body: FunctionBody, gate: Expr, rip: Expr, budget: Expr): void {
    const [element, entry] = [body.let(load('i32', 'u32', gate, RECORD_IMMEDIATE)), body.let(load('i32', 'u32', gate, RECORD_DISPLACEMENT))];
    const cached = body.let(jumpCacheEntry(rip, this.cpuBase));
    const shift = select(and(this.state('i32', MODE), i32(MODE_CODE_64)), halfShift(HALF_BIT_64), halfShift(HALF_BIT_32));
    body.store(64, cached, jumpCacheKey(rip, this.cpuBase, shift));
    body.store(32, cached, element, JUMP_ELEMENT);
    body.store(32, cached, entry, JUMP_ENTRY);
    body.returnCallIndirect(this.regionType, [rip, budget, entry], element, 1);
  }

  /** Counts what a region executes, from the budget it is given to the one it leaves. */
  private countTranslated(body: FunctionBody, given: Expr, change: typeof add | typeof sub): void {
    this.setState(body, 64, COUNT_TRANSLATED, change(this.state('i64', COUNT_TRANSLATED), extendS(given)));
  }

  /** How translated regions leave, exported to them. Each takes RIP and the budget left for what begins there. */
  private defineRegionExits(): void {
    const { module } = this;
    const define = (name: string, parameters: readonly ('i32' | 'i64')[], write: (body: FunctionBody, ...args: Expr[]) => void): void => {
      const index = module.declare(parameters, [], name);
      const body = new FunctionBody(parameters);
      write(body, ...parameters.map((_, n) => body.parameter(n)));
      module.define(index, body);
      module.export(name, index);
    };
    const noRegion = new FunctionBody(['i64', 'i32', 'i32']);
    this.countTranslated(noRegion, noRegion.parameter(1), sub);
    noRegion.call(this.runtime.materializeFlags, []);
    noRegion.returnCall(this.resume, [noRegion.parameter(0), noRegion.parameter(1)]);
    module.define(this.noRegion, noRegion);
    // To a region that the jump cache doesn't know, else to the interpreter.
    const count = (body: FunctionBody, counter: number): void => this.setState(body, 32, counter, add(this.state('i32', counter), i32(1)));
    define('leap', ['i64', 'i32'], (body, rip, budget) => {
      count(body, COUNT_LEAPS);
      body.block((none) => {
        const mode = body.let(this.state('i32', MODE));
        const record = this.knownRecord(body, rip, mode, none);
        body.brIf(none, ne(load('i32', 'u16', record, RECORD_HANDLER), i32(HANDLER_NUMBER_REGION)));
        body.brIf(none, ne(load('i32', 'u8', record, RECORD_A), mode));
        this.enterRegion(body, record, rip, budget);
      });
      count(body, COUNT_LEAPS_MISSED);
      this.countTranslated(body, budget, sub);
      body.call(this.runtime.materializeFlags, []);
      // Not by way of `resume`: a gate has to stand here, or this place would never be found hot.
      this.fetchAndEnter(body, rip, budget);
    });
    // The budget is used up.
    define('spent', ['i64', 'i32'], (body, rip, budget) => {
      count(body, COUNT_REGION_SPENT);
      this.countTranslated(body, budget, sub);
      body.call(this.runtime.materializeFlags, []);
      this.setState(body, 64, RIP, rip);
      this.exit(body, budget, EXIT_BUDGET);
    });
    // A fault of the instruction at RIP is pending.
    define('faulted', ['i64', 'i32'], (body, rip, budget) => {
      count(body, COUNT_REGION_FAULTS);
      this.countTranslated(body, budget, sub);
      body.call(this.runtime.materializeFlags, []);
      this.setState(body, 64, RIP, rip);
      this.deliver(body, budget);
    });
    // The instruction at RIP is the interpreter's.
    define('single', ['i64', 'i32'], (body, rip, budget) => {
      count(body, COUNT_REGION_SINGLES);
      this.countTranslated(body, budget, sub);
      body.call(this.runtime.materializeFlags, []);
      this.setState(body, 64, RIP, rip);
      this.setState(body, 32, BUDGET, budget);
      const record = body.let(call(this.decodeCrossing, 'i32', i32(0)));
      body.if(record, () => this.enterBlock(body, record, budget));
      this.deliverFetchFault(body, budget);
    });
    // A helper of the instruction at RIP returned something else than STATUS_NEXT.
    define('finished', ['i64', 'i32', 'i32'], (body, rip, budget, status) => {
      count(body, COUNT_REGION_FINISHED);
      this.countTranslated(body, budget, sub);
      body.call(this.runtime.materializeFlags, []);
      body.if(eq(status, i32(STATUS_FAULT)), () => {
        this.setState(body, 64, RIP, rip);
        this.deliver(body, budget);
      });
      body.if(eq(status, i32(STATUS_AGAIN)), () => {
        this.setState(body, 64, RIP, rip);
        this.exit(body, budget, EXIT_BUDGET);
      });
      const rest = body.let(sub(budget, i32(1)));
      body.if(eq(status, i32(STATUS_RESUME)), () => {
        body.returnCall(this.resume, [this.state('i64', RIP), rest]);
      });
      this.exit(body, rest);
    });
  }

  /** The handlers of the pseudo-records, in the order of PSEUDO_HANDLERS. */
  definePseudoHandlers(): number[] {
    const handler = (write: (body: FunctionBody, record: Expr, budget: Expr) => void): number => {
      const index = this.module.declare(['i32', 'i32'], [], 'pseudo');
      const body = new FunctionBody(['i32', 'i32']);
      write(body, body.parameter(0), body.parameter(1));
      this.module.define(index, body);
      return index;
    };
    const remaining = (record: Expr): Expr => load('i32', 'u8', record, RECORD_REMAINING);
    const invalid = handler((body) => body.unreachable());
    const refetch = handler((body, record, budget) => {
      body.returnCall(this.resume, [this.ripOf(body, record, false), add(budget, remaining(record))]);
    });
    const goTo = handler((body, record, budget) => {
      const target = body.let(load('i32', 'u32', record, RECORD_LINK));
      body.if(target, () => this.enterBlock(body, target, budget));
      body.returnCall(this.link, [record, budget]);
    });
    const resume = handler((body, record, budget) => {
      body.returnCall(this.resume, [this.ripOf(body, record, false), budget]);
    });
    const crossing = handler((body, record, budget) => {
      const rip = body.let(this.ripOf(body, record, false));
      this.setState(body, 64, RIP, rip);
      this.setState(body, 32, BUDGET, budget);
      const single = body.let(call(this.decodeCrossing, 'i32', record));
      body.if(single, () => this.enterBlock(body, single, budget));
      this.deliverFetchFault(body, budget);
    });
    const stepped = handler((body, record, budget) => {
      this.setState(body, 64, RIP, this.ripOf(body, record, false));
      this.exit(body, budget, EXIT_STEPPED);
    });
    const undefinedOpcode = handler((body, record, budget) => {
      body.call(this.runtime.raise, [i32(VECTOR_UD), i32(0), i32(0)]);
      body.returnCall(this.fault, [record, budget]);
    });
    const tooLong = handler((body, record, budget) => {
      body.call(this.runtime.raise, [i32(VECTOR_GP), i32(0), i32(1)]);
      body.returnCall(this.fault, [record, budget]);
    });
    const behindGate = (body: FunctionBody, record: Expr, budget: Expr): void => {
      this.enterBlock(body, body.let(load('i32', 'u32', record, RECORD_LINK)), budget);
    };
    const count = handler((body, record, budget) => {
      const executed = body.let(add(load('i32', 'u32', record, RECORD_IMMEDIATE), i32(1)));
      body.store(32, record, executed, RECORD_IMMEDIATE);
      body.if(geU(executed, this.state('i32', HOT_THRESHOLD)), () => {
        this.setState(body, 64, RIP, this.ripOf(body, record, false));
        this.setState(body, 32, BUDGET, budget);
        body.call(this.hot, [record]);
        // It may be another kind of gate now; a count that starts again isn't hot at once.
        this.dispatch(body, record, budget);
      });
      behindGate(body, record, budget);
    });
    const region = handler((body, record, budget) => {
      body.if(eq(load('i32', 'u8', record, RECORD_A), this.state('i32', MODE)), () => {
        this.countTranslated(body, budget, add);
        this.enterRegion(body, record, body.let(this.ripOf(body, record, false)), budget);
      });
      behindGate(body, record, budget);
    });
    const cold = handler(behindGate);
    return [invalid, refetch, goTo, resume, crossing, resume, stepped, undefinedOpcode, tooLong, count, region, cold];
  }
}
