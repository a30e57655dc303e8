/** A region as text for people: its guest code, and beside that the WebAssembly that it became. */
import { disassembleFunction, type FunctionNames, type TextLine } from '../../wasm/disassembler.ts';
import type { FunctionBody } from '../../wasm/function-body.ts';
import { Decoder } from '../decoder.ts';
import { disassemble } from '../disassembler.ts';
import { SIMD } from '../isa/simd-opcodes.ts';
import { instructionTable } from '../isa/table.ts';
import { PAGE_BYTES } from '../memory-layout.ts';
import { RUNTIME_FUNCTIONS, type RuntimeFunction } from '../runtime-functions.ts';
import {
  ATTENTION, BUDGET, COUNT_INVALIDATIONS, CR0, EFLAGS_REST, FLAGS_A, FLAGS_AUX, FLAGS_B, FLAGS_CARRY, FLAGS_KIND, FLAGS_OVERFLOW, FLAGS_R, FLAGS_RESULT, FPU_CONTROL, FPU_REGISTERS, FPU_STATUS, FPU_TAGS,
  FPU_TOP, GPR, JUMP_KEYS, MODE, MXCSR, REGION_RECORD, RIP, RIP_PAGE, SCRATCH, SEGMENTS, SEGMENT_BYTES, TLB_CURRENT, XMM, ZERO,
} from '../state-layout.ts';
import type { GuestBlock, GuestCode, GuestInstruction } from './guest-code.ts';
import { REGION_PARAMETERS, RegionImports, WAYS_OUT, type WayOut } from './region-context.ts';
import { writeRegion } from './region-function.ts';

const STATE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries({
  ATTENTION, BUDGET, COUNT_INVALIDATIONS, CR0, EFLAGS_REST, FLAGS_A, FLAGS_AUX, FLAGS_B, FLAGS_CARRY, FLAGS_KIND, FLAGS_OVERFLOW, FLAGS_R, FLAGS_RESULT, FPU_CONTROL, FPU_STATUS, FPU_TAGS, FPU_TOP, JUMP_KEYS,
  MODE, MXCSR, REGION_RECORD, RIP, RIP_PAGE, SCRATCH, TLB_CURRENT,
}).map(([name, offset]) => [offset, name]));
const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const SIMD_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(SIMD).map(([name, opcode]) => [opcode, name.replace('_', '.')]));
/** Width of the column of guest code. */
const GUEST_COLUMN = 46;

/** What lies at an offset in the CPU block. */
function stateName(offset: number): string | undefined {
  const register = (first: number, bytes: number, count: number, name: (number: number) => string): string | undefined => {
    const number = Math.floor((offset - first) / bytes);
    if (number < 0 || number >= count) return undefined;
    return `${name(number)}${offset - first - number * bytes ? `+${offset - first - number * bytes}` : ''}`;
  };
  return STATE_NAMES.get(offset) ?? register(GPR, 8, ZERO / 8, (number) => `register ${number}`) ?? register(XMM, 16, 16, (number) => `xmm${number}`)
    ?? register(FPU_REGISTERS, 16, 8, (number) => `x87 ${number}`) ?? register(SEGMENTS, SEGMENT_BYTES, 6, (number) => SEGMENT_NAMES[number] as string);
}

function namesOf(body: FunctionBody, imports: RegionImports, cpuBase: number): FunctionNames {
  return {
    parameters: ['rip', 'budget', 'selector'],
    locals: body.localNames,
    labels: body.labelNames,
    function: (index) => {
      const found = imports.list[index];
      if (found === undefined) return { name: `function ${index}`, parameters: 0, returns: false };
      if (found.from === 'engine') return { name: found.name, parameters: WAYS_OUT[found.name as WayOut].length, returns: false };
      const [parameters, result] = RUNTIME_FUNCTIONS[found.name as RuntimeFunction];
      return { name: found.name, parameters: parameters.length, returns: result !== undefined };
    },
    typeParameters: () => REGION_PARAMETERS.length,
    address: (address) => stateName(address - cpuBase),
    simd: (opcode) => SIMD_NAMES.get(opcode),
  };
}

const offsetText = (offset: number): string => (offset < 0 ? `-${(-offset).toString(16)}` : offset.toString(16).padStart(3, '0'));

/**
 * The listing of what a region is made of. Addresses are offsets from its first page. `part`: all of the function, or what is
 * between coming in and leaving, which is much the same in every region.
 */
export function listRegion(code: GuestCode, cpuBase: number, part: 'whole' | 'inside'): string {
  const imports = new RegionImports();
  const body = writeRegion(code, cpuBase, imports, 0);
  const encoded = body.encode();
  const whole = disassembleFunction(encoded, namesOf(body, imports, cpuBase));
  const lines = part === 'whole' ? whole : insideOf(whole, 'block seek');
  const decoder = new Decoder(instructionTable);
  const heading = (what: object): string => {
    if (!('decoded' in what)) return `block ${code.blocks.indexOf(what as GuestBlock)}`;
    const { offset, decoded } = what as GuestInstruction;
    return `  ${offsetText(offset)}  ${disassemble(decoder, bytesAt(code, offset, decoded.length), 0, BigInt(offset), code.mode).text}`;
  };
  const summary = `${code.blocks.length} blocks, ${code.blocks.reduce((sum, block) => sum + block.instructions.length, 0)} instructions, ${encoded.length} bytes of WebAssembly, entries at ${code.entries.map((entry) => offsetText(code.blocks[entry]?.start ?? 0)).join(' ')}`;
  return [summary, ...beside(lines, body.marks.map(({ offset, what }) => ({ offset, text: heading(what) }))), ''].join('\n');
}

/** The lines of a block. */
function insideOf(lines: readonly TextLine[], heading: string): TextLine[] {
  const first = lines.findIndex(({ text }) => text.trim() === heading);
  const indent = lines[first]?.text.indexOf(heading) ?? 0;
  const inside: TextLine[] = [];
  for (const { offset, text } of lines.slice(first + 1)) {
    if (text.search(/\S/) <= indent) break;
    inside.push({ offset, text: text.slice(indent + 2) });
  }
  return inside;
}

/** Instructions may go on in the next page. */
function bytesAt({ pages }: GuestCode, offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => {
    const delta = Math.floor((offset + index) / PAGE_BYTES);
    return pages.find((page) => page.delta === delta)?.bytes[(offset + index) & (PAGE_BYTES - 1)] ?? 0;
  });
}

/** Both columns: each heading stands at the first line that ends behind it, or in a line of its own. */
function beside(lines: readonly TextLine[], headings: readonly { readonly offset: number; readonly text: string }[]): string[] {
  const written: string[] = [];
  let next = 0;
  for (const { offset, text } of lines) {
    let heading = '';
    for (let mark = headings[next]; mark && mark.offset < offset; mark = headings[++next]) {
      if (heading) written.push(heading);
      heading = mark.text;
    }
    written.push(`${heading.padEnd(GUEST_COLUMN)}${text}`.trimEnd());
  }
  return written;
}
