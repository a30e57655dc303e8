/** Any error as a code, one sentence and what to do, for whoever asked for what failed. */
import type { MachineError } from '../../shared/result.ts';

export function errorOf(error: unknown): MachineError {
  if (error instanceof Error && 'advice' in error && typeof error.advice === 'string' && 'code' in error && typeof error.code === 'string') {
    return { code: error.code, message: error.message, advice: error.advice };
  }
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT': return { code: 'media.no-space', message: 'there is no space left on the disk', advice: 'free some space and try again' };
    case 'EROFS':
    case 'EACCES':
    case 'EPERM': return { code: 'media.no-permission', message: 'the machine\'s folder may not be written', advice: 'change its permissions' };
    default: return { code: 'internal', message: error instanceof Error ? error.message : String(error), advice: 'see the machine\'s log' };
  }
}
