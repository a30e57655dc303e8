import { expect, test } from 'vitest';
import { DisplayHub } from '../../../../src/main/machines/display-hub.ts';
import type { DisplayFrame } from '../../../../src/shared/vm-protocol.ts';

const WIDTH = 4;
const HEIGHT = 2;

function frame(x: number, y: number, width: number, height: number, value: number): DisplayFrame {
  return { screenWidth: WIDTH, screenHeight: HEIGHT, rectangles: [{ x, y, width, height, rgba: new Uint8Array(width * height * 4).fill(value) }] };
}

function hub(): { hub: DisplayHub; upstream: string[] } {
  const upstream: string[] = [];
  return { upstream, hub: new DisplayHub({ watch: (watch) => { upstream.push(watch ? 'watch' : 'unwatch'); }, frameDrawn: () => { upstream.push('drawn'); } }) };
}

test('one viewer gets frames as they come, and its acknowledgement goes to the machine', () => {
  const { hub: display, upstream } = hub();
  const frames: DisplayFrame[] = [];
  const viewer = display.open((given) => { frames.push(given); });
  display.frame(frame(0, 0, WIDTH, HEIGHT, 1));
  viewer.frameDrawn();
  display.frame(frame(1, 1, 1, 1, 2));
  expect(frames.map((given) => given.rectangles.length)).toEqual([1, 1]);
  expect(upstream).toEqual(['watch', 'drawn']);
  viewer.close();
  expect(upstream.at(-1)).toBe('unwatch');
});

test('a slow viewer holds up nobody, and gets what it missed in one frame when it has drawn', () => {
  const { hub: display, upstream } = hub();
  const fast: DisplayFrame[] = [];
  const slow: DisplayFrame[] = [];
  const fastViewer = display.open((given) => { fast.push(given); });
  const slowViewer = display.open((given) => { slow.push(given); });
  display.frame(frame(0, 0, WIDTH, HEIGHT, 1));
  fastViewer.frameDrawn();
  display.frame(frame(0, 0, 1, 1, 2));
  fastViewer.frameDrawn();
  display.frame(frame(3, 1, 1, 1, 3));
  expect(fast).toHaveLength(3);
  expect(slow).toHaveLength(1);
  expect(upstream.filter((message) => message === 'drawn')).toHaveLength(2);
  slowViewer.frameDrawn();
  expect(slow[1]!.rectangles.map(({ x, y, rgba }) => [x, y, rgba[0]])).toEqual([[0, 0, 2], [3, 1, 3]]);
});

test('a viewer that comes later begins with the whole screen', () => {
  const { hub: display } = hub();
  display.open(() => {});
  display.frame(frame(0, 0, WIDTH, HEIGHT, 7));
  const late: DisplayFrame[] = [];
  display.open((given) => { late.push(given); });
  expect(late[0]).toMatchObject({ screenWidth: WIDTH, rectangles: [{ x: 0, y: 0, width: WIDTH, height: HEIGHT }] });
  expect(late[0]!.rectangles[0]!.rgba[0]).toBe(7);
});

test('rectangles outside the screen or of another length than they say are refused whole', () => {
  const { hub: display } = hub();
  const frames: DisplayFrame[] = [];
  display.open((given) => { frames.push(given); });
  expect(display.frame(frame(3, 0, 2, 1, 1))).toBe(false);
  const short = { ...frame(0, 0, 1, 1, 1), rectangles: [{ x: 0, y: 0, width: 2, height: 2, rgba: new Uint8Array(4) }] };
  expect(display.frame(short)).toBe(false);
  expect(frames).toEqual([]);
});
