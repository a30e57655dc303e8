import { value } from '../host/files.ts';

export const seen = value;
