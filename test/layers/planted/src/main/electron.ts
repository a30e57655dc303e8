import { app } from 'electron';
import { value } from '../shared/contract.ts';

export const seen = [app, value];
