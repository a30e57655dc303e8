import { writeFileSync } from 'node:fs';
import { value } from '../decoder.ts';

export const seen = [writeFileSync, value];
