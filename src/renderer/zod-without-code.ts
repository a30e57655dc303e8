/** The page may not make code from text (its content security policy), and zod would try when a schema is made: first import. */
import { config } from 'zod';

config({ jitless: true });
