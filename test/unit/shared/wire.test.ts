import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeWire, encodeWire } from '../../../src/shared/wire.ts';

test('values with bytes in them survive, keys that begin with a dollar too', () => {
  const value = { kind: 'frame', $bytes: [0, 1], $$x: { $y: 1 }, rectangles: [{ rgba: new Uint8Array([1, 2, 3]) }, { rgba: new Uint8Array(0) }], nothing: null };
  expect(decodeWire(encodeWire(value))).toEqual(value);
});

test('what JSON can say, the wire can carry', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    expect(decodeWire(encodeWire(value))).toEqual(JSON.parse(JSON.stringify(value)));
  }));
});

test('random bytes decode to undefined or to a value, and never throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => { decodeWire(bytes); }));
});

test('bytes outside the message are refused', () => {
  const message = encodeWire({ a: new Uint8Array(4) });
  expect(decodeWire(message.subarray(0, message.length - 1))).toBeUndefined();
  expect(decodeWire(new Uint8Array([255, 255, 255, 255, 0]))).toBeUndefined();
});
