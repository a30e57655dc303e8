/**
 * Where the beam is: derived from guest time and the CRTC's timing registers, so that Input Status 1 moves at the
 * rate the guest programmed and every loop that waits for an edge ends.
 */
import type { Nanos } from '../../interfaces/clock.ts';
import {
  Crtc, Dispi, dispiEnabled, Misc, readDispi, Reg, Seq, SeqClocking, verticalDisplayEnd,
} from './register-block.ts';

export interface RetraceTiming {
  readonly frameNanos: number;
  readonly lineNanos: number;
  /** How long a line shows pixels, before its horizontal blanking. */
  readonly lineShownNanos: number;
  readonly linesShown: number;
  readonly retraceStartLine: number;
  readonly retraceEndLine: number;
}

/** Bits of Input Status 1 (3BAh / 3DAh). */
export const InputStatus1 = { displayDisabled: 0x01, verticalRetrace: 0x08 } as const;

export function retraceTiming(block: Uint8Array): RetraceTiming {
  if (dispiEnabled(block)) {
    const shown = Math.max(1, readDispi(block, Dispi.yres));
    const total = shown + Math.max(6, Math.round(shown / 20));
    return timingOf(1e9 / 60, total, shown, shown + 3, shown + 6, 0.8);
  }
  const overflow = block[Reg.crtc + Crtc.overflow]!;
  const clocking = block[Reg.sequencer + Seq.clockingMode]!;
  const dotHertz = ((block[Reg.miscOutput]! & Misc.clockSelect) === 0x04 ? 28_322_000 : 25_175_000)
    / ((clocking & SeqClocking.halfDotClock) !== 0 ? 2 : 1);
  const characterNanos = ((clocking & SeqClocking.eightDots) !== 0 ? 8 : 9) * 1e9 / dotHertz;
  const characters = block[Reg.crtc + Crtc.horizontalTotal]! + 5;
  const shownCharacters = block[Reg.crtc + Crtc.horizontalDisplayEnd]! + 1;
  const total = (block[Reg.crtc + Crtc.verticalTotal]! | ((overflow & 0x01) << 8) | ((overflow & 0x20) << 4)) + 2;
  const shown = verticalDisplayEnd(block) + 1;
  const start = block[Reg.crtc + Crtc.verticalRetraceStart]! | ((overflow & 0x04) << 6) | ((overflow & 0x80) << 2);
  const length = ((block[Reg.crtc + Crtc.verticalRetraceEnd]! - start) & 15) || 16;
  const frameNanos = characterNanos * characters * total;
  const sensible = frameNanos > 1e9 / 200 && frameNanos < 1e9 / 20 && shown < total && start < total
    && shownCharacters < characters;
  // Text mode 3 as the BIOS programs it, for a CRTC that is not programmed yet.
  if (!sensible) return timingOf(1e9 / 70, 449, 400, 412, 414, 0.8);
  return timingOf(frameNanos, total, shown, start, Math.min(start + length, total), shownCharacters / characters);
}

export function inputStatus1(timing: RetraceTiming, now: Nanos): number {
  const inFrame = now % timing.frameNanos;
  const line = Math.floor(inFrame / timing.lineNanos);
  let status = 0;
  if (line >= timing.retraceStartLine && line < timing.retraceEndLine) status |= InputStatus1.verticalRetrace;
  if (line >= timing.linesShown || inFrame - line * timing.lineNanos >= timing.lineShownNanos) status |= InputStatus1.displayDisabled;
  return status;
}

function timingOf(
  frameNanos: number, lines: number, linesShown: number, retraceStartLine: number, retraceEndLine: number, shownShare: number,
): RetraceTiming {
  const lineNanos = frameNanos / lines;
  return { frameNanos, lineNanos, lineShownNanos: lineNanos * shownShare, linesShown, retraceStartLine, retraceEndLine };
}
