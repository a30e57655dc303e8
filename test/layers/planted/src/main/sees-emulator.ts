import { value } from '../emulator/machine/board.ts';

export const seen = value;
