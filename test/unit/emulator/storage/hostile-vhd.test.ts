import { expect, it } from 'vitest';
import { newFooter, newHeader } from '../../../../src/emulator/storage/vhd/vhd-structures.ts';
import { checkVhd } from '../../../../src/emulator/storage/vhd/vhd-image.ts';
import { BIRTH } from '../../../storage/image-files.ts';
import { FakeByteFile } from '../../../support/fake-byte-file.ts';

it('a small VHD file with a table of sixteen million blocks is refused before its table takes memory', async () => {
  const blocks = 1 << 24;
  const footer = newFooter({ type: 'dynamic', size: 2 ** 40, ...BIRTH });
  const { header } = newHeader({ tablePosition: 1536, blocks, blockBytes: 2 << 20, parent: undefined });
  const bytes = new Uint8Array(8192);
  bytes.set(footer);
  bytes.set(header, 512);
  bytes.set(footer, bytes.length - 512);
  const file = new FakeByteFile(bytes);
  await expect(checkVhd(file, { repair: false, progress: () => {} })).rejects.toMatchObject({ code: 'image.damaged', message: expect.stringContaining('behind the end') });
});
