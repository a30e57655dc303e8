import { value } from '../../test/support/fake.ts';

export const seen = value;
