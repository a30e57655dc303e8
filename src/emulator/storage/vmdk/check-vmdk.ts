/** Checks the sparse extents of a VMDK image. A repair takes away entries that lead out of the file or to another grain's place. */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { CountedReferences } from '../counted-references.ts';
import { Findings, type CheckOptions, type ImageCheck } from '../image-check.ts';
import type { ImageFiles } from '../image-files.ts';
import { readDirectory } from './sparse-extent.ts';
import { directoryEntries, FLAG, GRAINS_OF_TABLE, readSparseHeader } from './vmdk-structures.ts';
import { checkExtentName, readVmdkLayout } from './vmdk-image.ts';

interface Totals {
  allocated: number;
  total: number;
  unitBytes: number;
  repaired: number;
}

/** Throws `ImageError`. */
export async function checkVmdk(file: ByteFile, path: string, files: ImageFiles, options: CheckOptions): Promise<ImageCheck> {
  const { descriptor, isMonolithic } = await readVmdkLayout(file);
  const findings = new Findings();
  const totals: Totals = { allocated: 0, total: 0, unitBytes: 65536, repaired: 0 };
  if (isMonolithic) await checkSparse(file, findings, totals, options);
  for (const [index, { type, name, sectors }] of isMonolithic ? [] : [...descriptor.extents.entries()]) {
    options.progress(index / descriptor.extents.length);
    checkExtentName(path, name);
    const extent = await files.open(await files.resolve(path, name), options.repair ? 'read-write' : 'read-only');
    try {
      if (type === 'SPARSE') await checkSparse(extent, findings, totals, options);
      else if (await extent.size() < sectors * 512) findings.add(`the extent ${name} is shorter than its descriptor says`);
    } finally {
      await extent[Symbol.asyncDispose]();
    }
  }
  return {
    errors: findings.errors, errorCount: findings.errorCount, leakedUnits: 0, repaired: totals.repaired,
    allocatedUnits: totals.allocated, totalUnits: totals.total, unitBytes: totals.unitBytes,
  };
}

async function checkSparse(file: ByteFile, findings: Findings, totals: Totals, { repair, progress }: CheckOptions): Promise<void> {
  const header = await readSparseHeader(file);
  const entries = directoryEntries(header);
  const directory = await readDirectory(file, header.directorySector, entries);
  const fileSectors = Math.ceil(await file.size() / 512);
  // Compressed grains lie at any sector, others at multiples of a sector too: places are counted by their first.
  const counted = new CountedReferences();
  totals.unitBytes = header.grainSectors * 512;
  totals.total += Math.ceil(header.capacitySectors / header.grainSectors);
  const seen = new Set<number>();
  for (let index = 0; index < entries; index++) {
    if (index % 64 === 0) progress(index / entries);
    const sector = directory.u32(index * 4);
    if (sector === 0) continue;
    if (seen.has(sector) || sector + 4 > fileSectors) {
      findings.add(`grain table ${index} ${seen.has(sector) ? 'is another one, too' : 'lies behind the end of the file'}`);
      continue;
    }
    seen.add(sector);
    const table = new ByteFields(new Uint8Array(GRAINS_OF_TABLE * 4), 'little-endian');
    await file.read(sector * 512, table.bytes);
    for (let grain = 0; grain < GRAINS_OF_TABLE; grain++) {
      const place = table.u32(grain * 4);
      if (place === 0 || (place === 1 && (header.flags & FLAG.zeroGrains) !== 0)) continue;
      const wrong = place >= fileSectors ? 'lies behind the end of the file' : counted.get(place) > 0 ? 'has the place of another' : undefined;
      if (wrong === undefined) {
        counted.add(place, 1);
        totals.allocated++;
      } else if (repair) {
        table.setU32(grain * 4, 0);
        await file.write(sector * 512 + grain * 4, table.bytes.subarray(grain * 4, grain * 4 + 4));
        totals.repaired++;
      } else {
        findings.add(`grain ${index * GRAINS_OF_TABLE + grain} ${wrong}`);
      }
    }
  }
  if (repair) await file.flush();
}
