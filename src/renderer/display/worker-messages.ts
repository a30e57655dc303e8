/** Between the page and the worker that draws guests' screens. `screen` is a number that the page gives each canvas. */
import type { DisplayUp } from '../../shared/api.ts';
import type { ChannelEnd } from '../channel.ts';

export type ToDisplayWorker =
  /** First of all for a screen. Its canvas comes along. */
  | { readonly kind: 'adopt'; readonly screen: number; readonly canvas: OffscreenCanvas }
  /** `millisPerFrame`: how long to wait after each frame before the next is asked for; 0 is as fast as they come. */
  | { readonly kind: 'show'; readonly screen: number; readonly end: ChannelEnd; readonly millisPerFrame: number }
  | { readonly kind: 'send'; readonly screen: number; readonly message: DisplayUp }
  | { readonly kind: 'hide'; readonly screen: number }
  /** The canvas is gone. */
  | { readonly kind: 'forget'; readonly screen: number };

export type FromDisplayWorker =
  | { readonly kind: 'resized'; readonly screen: number; readonly width: number; readonly height: number }
  /** The channel's other side ended it. */
  | { readonly kind: 'closed'; readonly screen: number };
