import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { layerRules } from './layer-rules.ts';

export type LayerViolation = { readonly rule: string; readonly from: string; readonly to: string };
export type LayerReport = {
  readonly violations: readonly LayerViolation[];
  readonly modulesSeen: number;
  /** Source files that the cruiser did not see: then its verdict is worth nothing. */
  readonly unseen: readonly string[];
};

/** AssemblyScript: another language in .ts files, and nothing links it. */
const RUNTIME = /^src\/emulator\/cpu\/runtime\//;

/** Applies the layer rules to the src/ below `root` (the project, or a copy of its shape with planted violations). */
export async function checkLayers(root: string): Promise<LayerReport> {
  const { output } = await cruise(['src'], {
    baseDir: root,
    validate: true,
    ruleSet: { forbidden: [...layerRules] },
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', RUNTIME.source] },
    combinedDependencies: true,
  }, {
    extensions: ['.ts', '.tsx', '.d.ts', '.mjs', '.js', '.json', '.css'],
    conditionNames: ['import', 'types', 'node', 'default'],
    exportsFields: ['exports'],
    mainFields: ['module', 'main', 'types'],
  });
  const { modules, summary } = output as ICruiseResult;
  const seen = new Set(modules.map((module) => module.source));
  return {
    violations: summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to })),
    modulesSeen: modules.filter((module) => module.source.startsWith('src/')).length,
    unseen: sourceFiles(root).filter((file) => !seen.has(file)),
  };
}

function sourceFiles(root: string): string[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((name) => `src/${name.replaceAll('\\', '/')}`)
    .filter((name) => /\.tsx?$/.test(name) && !RUNTIME.test(name));
}
