import { expect, test } from 'vitest';
import { withoutReachOutside } from '../../../../src/main/library/foreign-config.ts';
import { machineConfigSchema } from '../../../../src/shared/machine-config.ts';

test('a machine that somebody else made opens no folder and no port of this host', () => {
  const given = machineConfigSchema.parse({
    schemaVersion: 1, bootOrder: ['net', 'hd'],
    adapters: [{ model: 'e1000', bootFolder: '/home', bootFile: 'user/.ssh/id_ed25519', allow: [{ host: 'loopback' }], forwards: [{ protocol: 'tcp', host: { port: 80 }, guest: { port: 80 } }] }],
  });
  const { adapters: [adapter], bootOrder } = withoutReachOutside(given);
  expect(adapter).toMatchObject({ model: 'e1000', allow: [], forwards: [] });
  expect(adapter).not.toHaveProperty('bootFolder');
  expect(adapter).not.toHaveProperty('bootFile');
  expect(bootOrder).toEqual(['net', 'hd']);
});
