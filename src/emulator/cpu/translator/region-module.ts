/** A WebAssembly module of regions. */
import type { FunctionBody } from '../../wasm/function-body.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { RUNTIME_FUNCTIONS, type RuntimeFunction } from '../runtime-functions.ts';
import type { GuestCode } from './guest-code.ts';
import { RegionImports, WAYS_OUT, type WayOut } from './region-context.ts';
import { writeRegion } from './region-function.ts';

/** Exports of a module: the region of `codes[n]` is `rN`. Imports: `env.memory`, `runtime`, `engine`. */
export function buildRegionModule(codes: readonly GuestCode[], cpuBase: number): Uint8Array<ArrayBuffer> {
  const imports = new RegionImports();
  const bodies = codes.map((code) => writeRegion(code, cpuBase, imports));
  // Gaps in the bodies may import more as they are filled in; functions are numbered behind the imports.
  const encoded = bodies.map((body) => body.encode());
  const module = new ModuleBuilder();
  module.importMemory(1, 65536);
  for (const { from, name } of imports.list) {
    if (from === 'engine') module.importFunction('engine', name, WAYS_OUT[name as WayOut], []);
    else {
      const [parameters, result] = RUNTIME_FUNCTIONS[name as RuntimeFunction];
      module.importFunction('runtime', name, parameters, result ? [result] : []);
    }
  }
  encoded.forEach((bytes, number) => {
    const index = module.declare(['i64', 'i32', 'i32'], [], `region ${(codes[number]?.blocks[0]?.start ?? 0).toString(16)}`);
    module.defineEncoded(index, bytes, (bodies[number] as FunctionBody).hints);
    module.export(`r${number}`, index);
  });
  return module.encode();
}
