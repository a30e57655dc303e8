import { z } from 'zod';

export const seen = z;
