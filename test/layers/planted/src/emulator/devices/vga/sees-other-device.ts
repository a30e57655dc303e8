import { value } from '../pit.ts';

export const seen = value;
