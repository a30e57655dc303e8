/** How large the guest's screen is shown: pure arithmetic, in CSS pixels. */

import type { Scaling } from '../../shared/machine-config.ts';

export interface Extent { readonly width: number; readonly height: number }

export interface Placement extends Extent {
  /** Screen pixels of the host for each pixel of the guest. */
  readonly scale: number;
  /** Pixels keep their edges: they are a whole number of host pixels, or are wanted so. */
  readonly isCrisp: boolean;
}

/** Whole pixels are taken in place of a fit that would be at most this much larger. */
const WHOLE_PIXELS_SHARE_MINIMUM = 0.8;

/**
 * `fit` takes whole pixels where they fill most of the space; `integer` always takes them; `native` is one to one;
 * `crisp` and `smooth` fill the space. Nothing is shown smaller than the space allows but `native`.
 * @param guest the guest's screen in pixels
 * @param space the room there is, in CSS pixels
 * @param devicePixels host pixels for each CSS pixel
 */
export function placeScreen(guest: Extent, space: Extent, devicePixels: number, scaling: Scaling): Placement {
  const fit = Math.min((space.width * devicePixels) / guest.width, (space.height * devicePixels) / guest.height);
  const whole = Math.max(1, Math.floor(fit));
  const takesWhole = scaling === 'integer' || (scaling === 'fit' && whole / fit >= WHOLE_PIXELS_SHARE_MINIMUM);
  const scale = scaling === 'native' ? Math.max(1, Math.round(devicePixels))
    : takesWhole && fit >= 1 ? whole
    : Math.max(fit, 1 / Math.max(guest.width, guest.height));
  return { scale, isCrisp: scaling === 'crisp' || Number.isInteger(scale), width: (guest.width * scale) / devicePixels, height: (guest.height * scale) / devicePixels };
}
