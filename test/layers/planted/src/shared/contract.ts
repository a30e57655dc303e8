export const value = 1;
export type Contract = unknown;
