/** Debug exceptions around an instruction that is executed by itself: SDM 3B §17.2–17.3. */
import { DR6_BS, EFLAGS_RF, VECTOR_DB } from '../arch.ts';
import { CS, DEBUG_PENDING, DR0, DR6, DR7, EFLAGS_REST, RIP, SEGMENT_BASE } from '../state-layout.ts';
import { get32, get64, in64BitCode, raise, set32, set64 } from './cpu-state.ts';

/** Before an instruction: 1 with #DB pending (a fault) when an armed instruction breakpoint stands at CS:RIP. */
export function breakpointAtRip(): i32 {
  set32(DEBUG_PENDING, 0);
  if (get32(EFLAGS_REST) & EFLAGS_RF) return 0;
  const dr7 = get64(DR7);
  const linear = in64BitCode() ? get64(RIP) : (get64(CS + SEGMENT_BASE) + get64(RIP)) & 0xffffffff;
  let hit: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if ((dr7 >> (n * 2) & 3) != 0 && (dr7 >> (16 + n * 4) & 15) == 0 && get64(DR0 + n * 8) == linear) hit |= 1 << n;
  }
  if (!hit) return 0;
  set64(DR6, get64(DR6) & ~<u64>15 | hit);
  raise(VECTOR_DB, 0, 0);
  return 1;
}

/** After an instruction retired: 1 with #DB pending (a trap) when it was to be stepped (TF was set before) or hit a watchpoint. */
export function debugTrapAfter(stepped: i32): i32 {
  set32(EFLAGS_REST, get32(EFLAGS_REST) & ~EFLAGS_RF);
  const hit = get32(DEBUG_PENDING);
  set32(DEBUG_PENDING, 0);
  if (!hit && !stepped) return 0;
  set64(DR6, get64(DR6) & ~<u64>15 | hit | (stepped ? DR6_BS : 0));
  raise(VECTOR_DB, 0, 0);
  return 1;
}
