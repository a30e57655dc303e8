import { ByteWriter } from './bytes.ts';
import type { ValueType } from './expression.ts';
import { VALUE_TYPE_CODES, type FunctionBody } from './function-body.ts';

/** Collects imports and functions and encodes a WebAssembly module (Core Specification, §5.5). Imports come first. */
export class ModuleBuilder {
  private readonly types: string[] = [];
  private readonly typeBytes = new ByteWriter();
  private readonly imports: { module: string; name: string; typeIndex: number }[] = [];
  private memory: { minimumPages: number; maximumPages: number } | undefined;
  private readonly functions: { typeIndex: number; name: string | undefined; body: FunctionBody | Uint8Array | undefined; hints: FunctionBody['hints'] }[] = [];
  private readonly exports: { name: string; functionIndex: number }[] = [];
  private table: { typeIndex: number; elements: readonly number[] } | undefined;
  private importedTable: { module: string; name: string; typeIndex: number; size: number } | undefined;
  private readonly globals: string[] = [];
  private openTable: { name: string; typeIndex: number; size: number; filler: number } | undefined;

  type(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${parameters.join()}>${results.join()}`;
    const found = this.types.indexOf(key);
    if (found >= 0) return found;
    this.types.push(key);
    this.typeBytes.u8(0x60);
    for (const list of [parameters, results]) {
      this.typeBytes.u32(list.length);
      for (const type of list) this.typeBytes.u8(VALUE_TYPE_CODES[type]);
    }
    return this.types.length - 1;
  }

  /** The shared memory, imported as `env.memory`. */
  importMemory(minimumPages: number, maximumPages: number): void {
    this.memory = { minimumPages, maximumPages };
  }

  /** A table as `setOpenTable` makes them. It is number 0. */
  importOpenTable(module: string, name: string, typeIndex: number, size: number): void {
    this.importedTable = { module, name, typeIndex, size };
  }

  importFunction(module: string, name: string, parameters: readonly ValueType[], results: readonly ValueType[]): number {
    if (this.functions.length > 0) throw new Error('imports come before functions');
    this.imports.push({ module, name, typeIndex: this.type(parameters, results) });
    return this.imports.length - 1;
  }

  /** Reserves a function; its body may come later, so that functions can call each other. Profilers and debuggers show `name`. */
  declare(parameters: readonly ValueType[], results: readonly ValueType[], name?: string): number {
    this.functions.push({ typeIndex: this.type(parameters, results), name, body: undefined, hints: [] });
    return this.imports.length + this.functions.length - 1;
  }

  define(functionIndex: number, body: FunctionBody): void {
    this.setBody(functionIndex, body, []);
  }
  /** As `define`, with what `encode` gave and the hints that it left. */
  defineEncoded(functionIndex: number, body: Uint8Array, hints: FunctionBody['hints']): void {
    this.setBody(functionIndex, body, hints);
  }
  private setBody(functionIndex: number, body: FunctionBody | Uint8Array, hints: FunctionBody['hints']): void {
    const entry = this.functions[functionIndex - this.imports.length];
    if (!entry || entry.body) throw new Error(`function ${functionIndex} can't be defined`);
    entry.body = body;
    entry.hints = hints;
  }

  export(name: string, functionIndex: number): void {
    this.exports.push({ name, functionIndex });
  }

  /** A mutable i32, 0 at first, for others to set. Returns its index. */
  exportGlobal(name: string): number {
    return this.globals.push(name) - 1;
  }

  /**
   * One table of functions of one type, in this order from element 0. It is typed and can neither hold null nor grow, so
   * that an indirect call through it needs no check of signature or null.
   */
  setTable(typeIndex: number, elements: readonly number[]): void {
    this.table = { typeIndex, elements };
  }

  /** A second table (number 1), exported for others to fill: every element is `filler` at first. It is typed as the first is. */
  setOpenTable(name: string, typeIndex: number, size: number, filler: number): void {
    this.openTable = { name, typeIndex, size, filler };
  }

  encode(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    const section = (id: number, write: (w: ByteWriter) => void): void => {
      const content = new ByteWriter();
      write(content);
      out.u8(id);
      out.u32(content.length);
      out.bytes(content.view());
    };
    section(1, (w) => {
      w.u32(this.types.length);
      w.bytes(this.typeBytes.view());
    });
    section(2, (w) => {
      w.u32(this.imports.length + (this.memory ? 1 : 0) + (this.importedTable ? 1 : 0));
      for (const { module, name, typeIndex } of this.imports) {
        w.name(module);
        w.name(name);
        w.u8(0);
        w.u32(typeIndex);
      }
      if (this.memory) {
        w.name('env');
        w.name('memory');
        w.bytes([0x02, 0x03]);
        w.u32(this.memory.minimumPages);
        w.u32(this.memory.maximumPages);
      }
      if (this.importedTable) {
        const { module, name, typeIndex, size } = this.importedTable;
        w.name(module);
        w.name(name);
        w.bytes([0x01, 0x64]);
        w.s32(typeIndex);
        w.u8(0x01);
        w.u32(size);
        w.u32(size);
      }
    });
    section(3, (w) => {
      w.u32(this.functions.length);
      for (const { typeIndex } of this.functions) w.u32(typeIndex);
    });
    const { table, openTable } = this;
    if (table) {
      section(4, (w) => {
        // (table n n (ref $type) (ref.func first))
        const define = (typeIndex: number, size: number, first: number): void => {
          w.bytes([0x40, 0x00, 0x64]);
          w.s32(typeIndex);
          w.u8(0x01);
          w.u32(size);
          w.u32(size);
          w.u8(0xd2);
          w.u32(first);
          w.u8(0x0b);
        };
        w.u32(openTable ? 2 : 1);
        define(table.typeIndex, table.elements.length, table.elements[0] ?? 0);
        if (openTable) define(openTable.typeIndex, openTable.size, openTable.filler);
      });
    }
    if (this.globals.length > 0) {
      section(6, (w) => {
        w.u32(this.globals.length);
        for (let n = 0; n < this.globals.length; n++) w.bytes([0x7f, 0x01, 0x41, 0x00, 0x0b]);
      });
    }
    section(7, (w) => {
      w.u32(this.exports.length + this.globals.length + (openTable ? 1 : 0));
      for (const [index, name] of this.globals.entries()) {
        w.name(name);
        w.u8(3);
        w.u32(index);
      }
      if (openTable) {
        w.name(openTable.name);
        w.bytes([0x01, 0x01]);
      }
      for (const { name, functionIndex } of this.exports) {
        w.name(name);
        w.u8(0);
        w.u32(functionIndex);
      }
    });
    if (table) {
      section(9, (w) => {
        w.u32(1);
        w.u32(6);
        w.u32(0);
        w.bytes([0x41, 0x00, 0x0b, 0x64]);
        w.s32(table.typeIndex);
        w.u32(table.elements.length);
        for (const element of table.elements) {
          w.u8(0xd2);
          w.u32(element);
          w.u8(0x0b);
        }
      });
    }
    const bodies = this.functions.map((entry) => {
      const { body } = entry;
      if (!body) throw new Error('a declared function has no body');
      if (body instanceof Uint8Array) return body;
      const encoded = body.encode();
      entry.hints = body.hints;
      return encoded;
    });
    this.writeHints(section);
    section(10, (w) => {
      w.u32(bodies.length);
      for (const body of bodies) w.bytes(body);
    });
    this.writeNames(section);
    return out.copy();
  }

  /** Core Specification, appendix, §7.4: the custom section of names, of which function names are subsection 1. */
  private writeNames(section: (id: number, write: (w: ByteWriter) => void) => void): void {
    const named = this.functions.flatMap(({ name }, index) => (name === undefined ? [] : [{ name, index }]));
    if (named.length === 0) return;
    const names = new ByteWriter();
    names.u32(named.length);
    for (const { name, index } of named) {
      names.u32(this.imports.length + index);
      names.name(name);
    }
    section(0, (w) => {
      w.name('name');
      w.u8(1);
      w.u32(names.length);
      w.bytes(names.view());
    });
  }

  /** Branch Hinting proposal: the custom section stands before the code. */
  private writeHints(section: (id: number, write: (w: ByteWriter) => void) => void): void {
    const hinted = this.functions.map(({ hints }, index) => ({ hints, index })).filter(({ hints }) => hints.length > 0);
    if (hinted.length === 0) return;
    section(0, (w) => {
      w.name('metadata.code.branch_hint');
      w.u32(hinted.length);
      for (const { hints, index } of hinted) {
        w.u32(this.imports.length + index);
        w.u32(hints.length);
        for (const { offset, likely } of hints) {
          w.u32(offset);
          w.u32(1);
          w.u8(likely ? 1 : 0);
        }
      }
    });
  }
}
