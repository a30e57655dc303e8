import { value } from '../cpu/decoder.ts';

export const seen = value;
