/** The schema of an error that crosses processes; `result.ts` makes them. */
import { z } from 'zod';

export const machineErrorSchema = z.object({
  /** Dotted and stable, such as `library.no-permission`. */
  code: z.string(),
  /** What is wrong, one line, no full stop. */
  message: z.string(),
  /** What to do, one line, no full stop; empty when there is nothing to advise. */
  advice: z.string(),
});
export type MachineError = z.infer<typeof machineErrorSchema>;
