import { value } from '../main/service.ts';

export const seen = value;
