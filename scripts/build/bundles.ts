import { basename } from 'node:path';
import { build } from 'esbuild';
import { projectFolder } from './folders.mjs';
import { writeWhole } from './stamp.ts';

/**
 * One self-contained file for Node or Electron: npm packages are bundled in, so that dist/ runs without node_modules.
 * The output's name ends in .cjs for what Electron's sandbox can load only as a script (the preload).
 */
export async function bundleForNode(entry: string, output: string): Promise<void> {
  const isScript = output.endsWith('.cjs');
  const result = await build({
    absWorkingDir: projectFolder,
    entryPoints: [entry],
    outfile: output,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: isScript ? 'cjs' : 'esm',
    external: ['electron', 'koffi', 'bufferutil', 'utf-8-validate'],
    sourcemap: isScript ? false : 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'silent',
    define: { 'process.env.NODE_ENV': '"production"' },
    loader: { '.wasm': 'binary' },
    // CommonJS packages inside an ES module still call require for Node's own modules.
    ...(isScript ? {} : {
      banner: { js: "import { createRequire as guesthouseCreateRequire } from 'node:module'; const require = guesthouseCreateRequire(import.meta.url);" },
    }),
  }).catch((error: unknown) => {
    throw new Error(`${basename(entry)}: ${describe(error)}`, { cause: error });
  });
  for (const file of result.outputFiles) writeWhole(file.path, file.contents);
}

function describe(error: unknown): string {
  const { errors } = error as { errors?: { text: string; location?: { file: string; line: number } | null }[] };
  if (errors === undefined || errors.length === 0) return String(error);
  return errors.slice(0, 10)
    .map(({ text, location }) => (location ? `${location.file}:${location.line}: ${text}` : text))
    .join('\n  ');
}
