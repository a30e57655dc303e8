import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { DisplayEncoder } from '../../../../src/emulator/host/display-encoder.ts';
import { displayFrameSchema } from '../../../../src/shared/vm-protocol.ts';
import type { DisplayFrame } from '../../../../src/shared/vm-protocol.ts';
import { textMode3 } from '../../../support/vga-modes.ts';
import { buildVga } from '../devices/vga/vga-rig.ts';
import type { VgaRig } from '../devices/vga/vga-rig.ts';

function watched(): { rig: VgaRig; encoder: DisplayEncoder; frames: DisplayFrame[] } {
  const rig = buildVga();
  rig.ports.setEgaPalette();
  rig.ports.setMode(textMode3);
  // No cursor: nothing changes by itself.
  rig.ports.outIndexed(0x3d4, 0x0a, 0x20);
  const frames: DisplayFrame[] = [];
  const encoder = new DisplayEncoder({
    sharedMemory: rig.videoMemory.buffer, source: rig.vga.displaySource, send: (frame) => frames.push(frame),
  });
  return { rig, encoder, frames };
}

function paint(rig: VgaRig, cell: number, attribute: number): void {
  rig.poke(0xb8001 + cell * 2, attribute);
}

describe('the display encoder', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('sends nothing and sets no timer while nobody watches', () => {
    const { rig, frames } = watched();
    paint(rig, 0, 0x10);
    vi.advanceTimersByTime(5000);
    expect(frames).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('begins with the whole screen and goes on with what changed, as the protocol says', () => {
    const { rig, encoder, frames } = watched();
    encoder.watch(true);
    expect(frames.length).toBe(1);
    expect(displayFrameSchema.parse(frames[0]).rectangles.map(({ rgba, ...place }) => [place, rgba.length])).toEqual([
      [{ x: 0, y: 0, width: 720, height: 400 }, 720 * 400 * 4],
    ]);
    encoder.frameDrawn();
    paint(rig, 81, 0x10);
    vi.advanceTimersByTime(20);
    const { rgba, ...place } = frames[1]!.rectangles[0]!;
    expect(place).toEqual({ x: 9, y: 16, width: 9, height: 16 });
    expect([...rgba.subarray(0, 8)]).toEqual([0, 0, 0xaa, 0xff, 0, 0, 0xaa, 0xff]);
  });

  it('keeps one frame in flight and joins what happens meanwhile', () => {
    const { rig, encoder, frames } = watched();
    encoder.watch(true);
    for (let cell = 0; cell < 10; cell++) {
      paint(rig, cell, 0x10);
      vi.advanceTimersByTime(100);
    }
    expect(frames.length).toBe(1);
    encoder.frameDrawn();
    vi.advanceTimersByTime(20);
    expect(frames.length).toBe(2);
    expect(frames[1]!.rectangles.map((rectangle) => rectangle.width)).toEqual([90]);
  });

  it('begins anew with a whole frame for a new subscription, even if a frame was in flight', () => {
    const { encoder, frames } = watched();
    encoder.watch(true);
    encoder.watch(true);
    expect(frames.map((frame) => frame.rectangles[0]?.width)).toEqual([720, 720]);
    encoder.watch(false);
    vi.advanceTimersByTime(1000);
    expect(frames.length).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends at most 60 frames a second, and looks 15 times a second at a picture that stands still', () => {
    const { rig, encoder, frames } = watched();
    encoder.watch(true);
    encoder.frameDrawn();
    for (let elapsed = 0; elapsed < 1000; elapsed++) {
      paint(rig, 0, ((elapsed % 7) + 1) << 4);
      vi.advanceTimersByTime(1);
      encoder.frameDrawn();
    }
    expect(frames.length).toBeGreaterThan(50);
    expect(frames.length).toBeLessThanOrEqual(64);
    vi.advanceTimersByTime(20);
    encoder.frameDrawn();
    vi.advanceTimersByTime(1500);
    const draw = vi.spyOn(rig.registers.constructor.prototype as Uint8Array, 'set');
    vi.advanceTimersByTime(1000);
    // Each look copies the register block twice.
    const looks = draw.mock.calls.filter(([source]) => (source as Uint8Array).length === rig.registers.length).length / 2;
    expect(looks).toBeGreaterThan(12);
    expect(looks).toBeLessThan(17);
    draw.mockRestore();
    encoder.expectChange();
    paint(rig, 5, 0x20);
    const before = frames.length;
    vi.advanceTimersByTime(17);
    expect(frames.length).toBe(before + 1);
  });

  it('takes a screenshot as a PNG and the text of the screen without being watched', () => {
    const { rig, encoder, frames } = watched();
    [...'Hi'].forEach((letter, column) => rig.poke(0xb8000 + column * 2, letter.charCodeAt(0)));
    paint(rig, 2, 0x20);
    const png = PNG.sync.read(Buffer.from(encoder.screenshotPng()));
    expect([png.width, png.height]).toEqual([720, 400]);
    expect([...png.data.subarray(18 * 4, 19 * 4)]).toEqual([0, 0xaa, 0, 0xff]);
    expect([...png.data.subarray(30 * 4, 31 * 4)]).toEqual([0, 0, 0, 0xff]);
    expect(encoder.screenText()?.[0]).toBe('Hi');
    expect(frames).toEqual([]);
  });
});
