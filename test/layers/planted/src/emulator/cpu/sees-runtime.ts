import { value } from './runtime/index.ts';

export const seen = value;
