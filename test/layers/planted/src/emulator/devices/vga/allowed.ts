import { value as bus } from '../../interfaces/bus.ts';
import { value } from './raster.ts';

export const seen = [bus, value];
