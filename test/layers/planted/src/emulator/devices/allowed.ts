import { value as bus } from '../interfaces/bus.ts';
import { value as rate } from './rate.ts';

export const seen = [bus, rate];
