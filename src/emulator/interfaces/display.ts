import type { MemorySegment } from './guest-memory.ts';

/**
 * How the display adapter shows itself to the control thread without a message: video memory and a register block,
 * both in the shared memory. The rasterizer reads them; what tears is repaired by the next frame.
 */
export interface DisplaySource {
  readonly videoMemory: MemorySegment;
  readonly registers: MemorySegment;
}
