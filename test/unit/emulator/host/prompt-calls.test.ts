import { describe, expect, it } from 'vitest';
import { PromptCalls } from '../../../../src/emulator/host/prompt-calls.ts';

describe('PromptCalls', () => {
  it('allows small calls on a local file system only', () => {
    expect(new PromptCalls(true).allows(4096)).toBe(true);
    expect(new PromptCalls(true).allows(64 << 20)).toBe(false);
    expect(new PromptCalls(false).allows(4096)).toBe(false);
  });

  it('leaves the thread alone for a while after a call that had to wait', () => {
    let millis = 0;
    const calls = new PromptCalls(true, () => millis);
    expect(calls.call(() => { millis += 0.1; return 7; })).toBe(7);
    expect(calls.allows(4096)).toBe(true);
    expect(() => calls.call(() => { millis += 5; throw new Error('unreadable'); })).toThrow('unreadable');
    millis += 99;
    expect(calls.allows(4096)).toBe(false);
    millis += 1;
    expect(calls.allows(4096)).toBe(true);
  });
});
