import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { projectFolder } from '../../scripts/build/folders.mjs';
import { layerRules } from '../../scripts/check/layer-rules.ts';
import { checkLayers, type LayerReport } from '../../scripts/check/layers.ts';

const planted = fileURLToPath(new URL('planted', import.meta.url));

/** Rule → the planted files that break it. All other planted files keep to the rules. */
const expected: Record<string, readonly string[]> = {
  'shared-imports-nothing-of-ours': ['src/shared/sees-main.ts'],
  'shared-runs-anywhere': ['src/shared/sees-node.ts'],
  'renderer-sees-only-shared': ['src/renderer/sees-main.ts'],
  'renderer-runs-in-a-browser': ['src/renderer/sees-node.ts'],
  'main-sees-only-shared': ['src/main/sees-emulator.ts'],
  'electron-stays-in-its-shell': ['src/main/sees-electron.ts'],
  'emulator-sees-only-shared': ['src/emulator/machine/sees-main.ts'],
  'emulator-loads-no-schemas': ['src/emulator/machine/loads-schemas.ts'],
  'results-need-no-schemas': ['src/shared/result.ts'],
  'only-host-touches-node': ['src/emulator/machine/sees-node.ts'],
  'only-host-uses-npm-packages': ['src/emulator/machine/sees-npm.ts'],
  'host-is-the-outermost': ['src/emulator/machine/sees-host.ts'],
  'interfaces-know-nobody': ['src/emulator/interfaces/sees-board.ts'],
  'device-file-sees-interfaces': ['src/emulator/devices/sees-other-device.ts'],
  'device-folder-sees-interfaces-and-itself': ['src/emulator/devices/vga/sees-other-device.ts'],
  'cpu-knows-no-devices': ['src/emulator/cpu/sees-device.ts'],
  'wasm-encoder-knows-nobody': ['src/emulator/wasm/sees-cpu.ts'],
  'runtime-is-not-linked': ['src/emulator/cpu/sees-runtime.ts'],
  'product-never-imports-tests-or-tools': ['src/main/sees-test.ts'],
  'every-import-resolves': ['src/main/sees-nothing.ts'],
  'no-cycles': ['src/main/cycle-a.ts'],
};

describe('the layer rules', () => {
  let report: LayerReport;

  beforeAll(async () => {
    report = await checkLayers(planted);
  });

  for (const { name = '' } of layerRules) {
    it(`${name} fires on what was planted for it, and on nothing else`, () => {
      const files = report.violations.filter(({ rule }) => rule === name).map(({ from }) => from);
      expect([...new Set(files)].sort()).toEqual(expected[name]);
    });
  }

  it('see every planted file', () => {
    expect(report.unseen).toEqual([]);
  });
});

describe('the product', () => {
  it('is seen whole, so that a clean verdict means something', async () => {
    const report = await checkLayers(projectFolder);
    expect(report.unseen).toEqual([]);
    expect(report.modulesSeen).toBeGreaterThan(50);
  });
});
