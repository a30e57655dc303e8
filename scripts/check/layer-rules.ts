/** Who may import whom, as src/README.md and the folders' own READMEs say it. Paths are relative to the project. */
import type { IForbiddenRuleType } from 'dependency-cruiser';

/** The parts of devices/ that are no chip: tools of several chips, and what the two kinds of APIC say to each other. */
const DEVICE_TOOLS = ['byte-registers', 'rate', 'vendor-registers', 'microwire-eeprom', 'multicast-hash', 'apic-bus', 'apic-message'];

/** The one program below the core that writes a file: the build runs it, nothing imports it. */
const GENERATOR = '^src/emulator/cpu/interpreter/generate\\.ts$';

const NPM = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown'] as const;

export const layerRules: readonly IForbiddenRuleType[] = [
  {
    name: 'shared-imports-nothing-of-ours',
    severity: 'error',
    from: { path: '^src/shared/' },
    to: { path: '^src/', pathNot: '^src/shared/' },
  },
  {
    name: 'shared-runs-anywhere',
    severity: 'error',
    from: { path: '^src/shared/' },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'renderer-sees-only-shared',
    severity: 'error',
    from: { path: '^src/renderer/' },
    to: { path: '^src/', pathNot: '^src/(renderer|shared)/' },
  },
  {
    name: 'renderer-runs-in-a-browser',
    severity: 'error',
    from: { path: '^src/renderer/' },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'main-sees-only-shared',
    comment: 'The VM process is started by path, never linked: it is the security boundary.',
    severity: 'error',
    from: { path: '^src/main/' },
    to: { path: '^src/', pathNot: '^src/(main|shared)/' },
  },
  {
    name: 'electron-stays-in-its-shell',
    comment: 'Everything else in main also runs under plain Node, in the browser shell and the command line.',
    severity: 'error',
    from: { path: '^src/', pathNot: '^src/main/(electron\\.ts$|preload\\.ts$|desktop/)' },
    to: { path: '(^|/)node_modules/electron/|^electron$' },
  },
  {
    name: 'emulator-sees-only-shared',
    severity: 'error',
    from: { path: '^src/emulator/' },
    to: { path: '^src/', pathNot: '^src/(emulator|shared)/' },
  },
  {
    name: 'emulator-loads-no-schemas',
    comment: 'Of the contract it runs the functions of result.ts, keyboard-text.ts and unfinished-image.ts, and the tables of boot-order.ts and isa-adapter-places.ts; the rest is types. The schemas and their library would take as long to load as all else. What reads other programs\' machines is loaded by one job of a media process alone.',
    severity: 'error',
    from: { path: '^src/emulator/', pathNot: '^src/emulator/host/foreign/' },
    to: { path: '^src/shared/', pathNot: '^src/shared/(result|keyboard-text|unfinished-image|boot-order|isa-adapter-places)\\.ts$', dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'results-need-no-schemas',
    severity: 'error',
    from: { path: '^src/shared/(result|keyboard-text|unfinished-image|isa-adapter-places)\\.ts$' },
    to: { path: '^src/|(^|/)node_modules/', dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'only-host-touches-node',
    severity: 'error',
    from: { path: '^src/emulator/', pathNot: ['^src/emulator/host/', GENERATOR] },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'only-host-uses-npm-packages',
    severity: 'error',
    from: { path: '^src/emulator/', pathNot: '^src/emulator/host/' },
    to: { dependencyTypes: [...NPM] },
  },
  {
    name: 'host-is-the-outermost',
    comment: 'The core is handed what it needs of the host.',
    severity: 'error',
    from: { path: '^src/emulator/', pathNot: '^src/emulator/host/' },
    to: { path: '^src/emulator/host/' },
  },
  {
    name: 'interfaces-know-nobody',
    severity: 'error',
    from: { path: '^src/emulator/interfaces/' },
    to: { path: '^src/', pathNot: '^src/emulator/interfaces/' },
  },
  {
    name: 'device-file-sees-interfaces',
    comment: 'Chips meet in machine/pc.ts, nowhere else.',
    severity: 'error',
    from: { path: '^src/emulator/devices/([^/]+)\\.ts$' },
    to: {
      path: '^src/',
      pathNot: [
        '^src/emulator/interfaces/', '^src/emulator/devices/$1/',
        `^src/emulator/devices/(${DEVICE_TOOLS.join('|')})\\.ts$`,
      ],
    },
  },
  {
    name: 'device-folder-sees-interfaces-and-itself',
    comment: 'Chips meet in machine/pc.ts, nowhere else.',
    severity: 'error',
    from: { path: '^src/emulator/devices/([^/]+)/' },
    to: {
      path: '^src/',
      pathNot: [
        '^src/emulator/interfaces/', '^src/emulator/devices/$1/', '^src/emulator/devices/$1\\.ts$',
        `^src/emulator/devices/(${DEVICE_TOOLS.join('|')})\\.ts$`,
      ],
    },
  },
  {
    name: 'cpu-knows-no-devices',
    severity: 'error',
    from: { path: '^src/emulator/cpu/' },
    to: { path: '^src/emulator/', pathNot: '^src/emulator/(cpu|interfaces|wasm)/' },
  },
  {
    name: 'wasm-encoder-knows-nobody',
    severity: 'error',
    from: { path: '^src/emulator/wasm/' },
    to: { path: '^src/', pathNot: '^src/emulator/wasm/' },
  },
  {
    name: 'runtime-is-not-linked',
    comment: 'It is AssemblyScript: what comes of it is dist/wasm/runtime.wasm.',
    severity: 'error',
    from: { path: '^src/', pathNot: '^src/emulator/cpu/runtime/' },
    to: { path: '^src/emulator/cpu/runtime/' },
  },
  {
    name: 'product-never-imports-tests-or-tools',
    severity: 'error',
    from: { path: '^src/' },
    to: { path: '^(test|scripts)/' },
  },
  {
    name: 'no-cycles',
    severity: 'error',
    from: { path: '^src/' },
    to: { circular: true },
  },
  {
    name: 'every-import-resolves',
    severity: 'error',
    from: { path: '^src/' },
    to: { couldNotResolve: true },
  },
];
