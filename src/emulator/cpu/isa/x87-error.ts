import { and, i32 } from '../../wasm/expression.ts';
import { FPU_STATUS } from '../state-layout.ts';
import type { Emitter } from './emitter.ts';

/** What a waiting instruction does about an unmasked x87 error that is pending: #MF, or what CR0.NE = 0 asks for (SDM 1 §8.7). */
export function raiseIfX87Error(e: Emitter): void {
  e.body.if(and(e.state('i32', 'u32', FPU_STATUS), i32(0x80)), () => void e.callOrFault('x87Error', [], 0));
}
