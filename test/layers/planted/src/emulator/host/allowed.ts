import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Contract } from '../../shared/contract.ts';
import { schema } from '../../shared/result.ts';
import { value } from '../machine/board.ts';

export const seen: Contract[] = [readFileSync, z, value, schema];
