import { z } from 'zod';

export const schema = z;
export type Result = number;
