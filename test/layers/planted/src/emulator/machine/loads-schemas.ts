import { value } from '../../shared/contract.ts';

export const seen = value;
