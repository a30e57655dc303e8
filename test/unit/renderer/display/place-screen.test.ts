import { describe, expect, it } from 'vitest';
import { placeScreen } from '../../../../src/renderer/display/place-screen.ts';

const text = { width: 720, height: 400 };

describe('the place of the guest\'s screen', () => {
  it('takes whole pixels where they fill most of the room', () => {
    expect(placeScreen(text, { width: 1600, height: 900 }, 1, 'fit')).toEqual({ scale: 2, isCrisp: true, width: 1440, height: 800 });
  });

  it('fits the room where whole pixels would leave much of it empty', () => {
    const { scale, isCrisp, width } = placeScreen(text, { width: 1260, height: 900 }, 1, 'fit');
    expect([scale, isCrisp, width]).toEqual([1.75, false, 1260]);
  });

  it('counts pixels of the host, not of the page', () => {
    expect(placeScreen(text, { width: 800, height: 450 }, 2, 'integer')).toEqual({ scale: 2, isCrisp: true, width: 720, height: 400 });
  });

  it('shrinks a screen that is larger than the room, in the same proportion', () => {
    expect(placeScreen({ width: 1600, height: 1200 }, { width: 800, height: 800 }, 1, 'fit')).toMatchObject({ width: 800, height: 600 });
  });

  it('shows the original size even where it does not fit', () => {
    expect(placeScreen(text, { width: 300, height: 300 }, 1, 'native')).toEqual({ scale: 1, isCrisp: true, width: 720, height: 400 });
  });

  it('never vanishes, in no room at all', () => {
    const { width, height } = placeScreen(text, { width: 0, height: 0 }, 1, 'fit');
    expect(width).toBeGreaterThan(0);
    expect(height).toBeGreaterThan(0);
  });

  it('fills the room crisp or smooth, as it is told', () => {
    expect(placeScreen(text, { width: 1600, height: 900 }, 1, 'crisp')).toMatchObject({ scale: 1600 / 720, isCrisp: true, width: 1600 });
    expect(placeScreen(text, { width: 1600, height: 900 }, 1, 'smooth')).toMatchObject({ scale: 1600 / 720, isCrisp: false, width: 1600 });
  });

  it('is as large on a fine screen as on a coarse one, in whole pixels of either', () => {
    expect(placeScreen(text, { width: 800, height: 450 }, 1, 'integer')).toMatchObject({ width: 720 });
    expect(placeScreen(text, { width: 800, height: 450 }, 3, 'native')).toMatchObject({ scale: 3, width: 720 });
  });
});
