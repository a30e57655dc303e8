import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { value } from '../machine/board.ts';

export const seen = [readFileSync, z, value];
