/** A WebAssembly module of regions. */
import type { FunctionBody } from '../../wasm/function-body.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { REGION_ELEMENTS } from '../memory-layout.ts';
import { RUNTIME_FUNCTIONS, type RuntimeFunction } from '../runtime-functions.ts';
import type { GuestCode } from './guest-code.ts';
import { REGION_PARAMETERS, REGION_TYPE, RegionImports, WAYS_OUT, type WayOut } from './region-context.ts';
import { writeRegion } from './region-function.ts';

/** The global in which a region finds the number of its own element, by the name of its function. */
export function ownElementName(exportName: string): string {
  return `${exportName} element`;
}

/** Exports of a module: the region of `codes[n]` is `rN`. Imports: `env.memory`, `runtime`, `engine`. */
export function buildRegionModule(codes: readonly GuestCode[], cpuBase: number): Uint8Array<ArrayBuffer> {
  const imports = new RegionImports();
  const bodies = codes.map((code, number) => writeRegion(code, cpuBase, imports, number));
  // Gaps in the bodies may import more as they are filled in; functions are numbered behind the imports.
  const encoded = bodies.map((body) => body.encode());
  const module = new ModuleBuilder();
  module.importMemory(1, 65536);
  if (module.type(REGION_PARAMETERS, []) !== REGION_TYPE) throw new Error('the type of regions comes first');
  module.importOpenTable('engine', 'regions', REGION_TYPE, REGION_ELEMENTS);
  for (const { from, name } of imports.list) {
    if (from === 'engine') module.importFunction('engine', name, WAYS_OUT[name as WayOut], []);
    else {
      const [parameters, result] = RUNTIME_FUNCTIONS[name as RuntimeFunction];
      module.importFunction('runtime', name, parameters, result ? [result] : []);
    }
  }
  encoded.forEach((bytes, number) => {
    const index = module.declare(REGION_PARAMETERS, [], `region ${(codes[number]?.blocks[0]?.start ?? 0).toString(16)}`);
    module.defineEncoded(index, bytes, (bodies[number] as FunctionBody).hints);
    module.export(`r${number}`, index);
    module.exportGlobal(ownElementName(`r${number}`));
  });
  return module.encode();
}
