/** `node --import register.mjs dist/electron.js`: whoever imports `electron` gets the stand-in. */
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, nextResolve) {
    return specifier === 'electron' ? { url: new URL('./electron.ts', import.meta.url).href, shortCircuit: true } : nextResolve(specifier, context);
  },
});
