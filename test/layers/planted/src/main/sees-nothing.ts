import { value } from './gone.ts';

export const seen = value;
