import { describe, expect, it } from 'vitest';
import { PointerStream } from '../../../../src/renderer/input/pointer-stream.ts';
import type { PointerChange } from '../../../../src/renderer/input/pointer-stream.ts';

function newStream(): { stream: PointerStream; sent: PointerChange[]; nextFrame: () => void } {
  const sent: PointerChange[] = [];
  const scheduled: (() => void)[] = [];
  const stream = new PointerStream((change) => { sent.push(change); }, (flush) => { scheduled.push(flush); });
  return { stream, sent, nextFrame: () => { for (const flush of scheduled.splice(0)) flush(); } };
}

describe('the pointer stream', () => {
  it('sends the motion of a frame as one message', () => {
    const { stream, sent, nextFrame } = newStream();
    stream.move(3, -2);
    stream.move(4, 1);
    expect(sent).toEqual([]);
    nextFrame();
    expect(sent).toEqual([{ dx: 7, dy: -1, wheel: 0, buttons: 0 }]);
  });

  it('keeps the fraction of a count for later', () => {
    const { stream, sent, nextFrame } = newStream();
    stream.move(0.6, 0);
    nextFrame();
    expect(sent).toEqual([]);
    stream.move(0.6, 0);
    nextFrame();
    expect(sent).toEqual([{ dx: 1, dy: 0, wheel: 0, buttons: 0 }]);
  });

  it('sends a button at once, after the motion that led to it', () => {
    const { stream, sent } = newStream();
    stream.move(5, 0);
    stream.press(1);
    stream.press(0);
    expect(sent).toEqual([{ dx: 5, dy: 0, wheel: 0, buttons: 0 }, { dx: 0, dy: 0, wheel: 0, buttons: 1 }, { dx: 0, dy: 0, wheel: 0, buttons: 0 }]);
  });

  it('drops buttons that a PS/2 mouse has not', () => {
    const { stream, sent } = newStream();
    stream.press(8);
    expect(sent).toEqual([]);
  });

  it('counts clicks of the wheel in pixels, lines and pages', () => {
    const { stream, sent, nextFrame } = newStream();
    stream.turn(100, 0);
    stream.turn(-6, 1);
    stream.turn(2, 2);
    nextFrame();
    expect(sent).toEqual([{ dx: 0, dy: 0, wheel: 1, buttons: 0 }]);
  });
});
