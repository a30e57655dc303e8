import { value } from '../devices/pit.ts';

export const seen = value;
