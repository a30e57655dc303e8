import { value } from '../machine/board.ts';

export const seen = value;
