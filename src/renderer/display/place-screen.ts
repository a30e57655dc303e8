/** How large the guest's screen is shown: pure arithmetic, in CSS pixels. */

/** `fit` takes whole pixels where they fill most of the space; `whole` always takes them; `original` is one to one. */
export const SCALINGS = ['fit', 'whole', 'original'] as const;
export type Scaling = (typeof SCALINGS)[number];

export interface Extent { readonly width: number; readonly height: number }

export interface Placement extends Extent {
  /** Screen pixels of the host for each pixel of the guest. */
  readonly scale: number;
  /** Every guest pixel is the same whole number of host pixels: no smoothing is needed. */
  readonly isCrisp: boolean;
}

/** Whole pixels are taken in place of a fit that would be at most this much larger. */
const WHOLE_PIXELS_SHARE_MINIMUM = 0.8;

/**
 * @param guest the guest's screen in pixels
 * @param space the room there is, in CSS pixels
 * @param devicePixels host pixels for each CSS pixel
 */
export function placeScreen(guest: Extent, space: Extent, devicePixels: number, scaling: Scaling): Placement {
  const fit = Math.min((space.width * devicePixels) / guest.width, (space.height * devicePixels) / guest.height);
  const whole = Math.max(1, Math.floor(fit));
  const takesWhole = scaling === 'whole' || (fit >= 1 && whole / fit >= WHOLE_PIXELS_SHARE_MINIMUM);
  const scale = scaling === 'original' ? Math.max(1, Math.round(devicePixels))
    : takesWhole && fit >= 1 ? whole
    : Math.max(fit, 1 / Math.max(guest.width, guest.height));
  return { scale, isCrisp: Number.isInteger(scale), width: (guest.width * scale) / devicePixels, height: (guest.height * scale) / devicePixels };
}
