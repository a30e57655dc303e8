import { describe, expect, it } from 'vitest';
import { checkDisk, checkImage, checkMemory, checkName, freeName } from '../../../../../src/renderer/dialogs/new-machine/check-draft.ts';
import { GIB, MIB } from '../../../../../src/shared/sizes.ts';

describe('the name of a new machine', () => {
  it.each([
    ['', 'check.nameEmpty'], ['   ', 'check.nameEmpty'], ['x'.repeat(65), 'check.nameTooLong'], ['a/b', 'check.nameCharacters'],
    ['.hidden', 'check.nameEnds'], ['-dash', 'check.nameEnds'], ['end.', 'check.nameEnds'], ['con', 'check.nameReserved'], ['a.guestvm', 'check.nameReserved'],
  ])('%j is refused with the reason %s', (name, key) => {
    expect(checkName(name, [])?.key).toBe(key);
  });

  it('may not differ from another\'s in case or in how its accents are written', () => {
    expect(checkName('DEBIAN', ['Debian'])?.key).toBe('check.nameTaken');
    expect(checkName('Cafe\u0301', ['Café'])?.key).toBe('check.nameTaken');
  });

  it('is numbered when it is taken', () => {
    expect(freeName('New machine', ['New machine', 'new machine 2'])).toBe('New machine 3');
  });
});

describe('the memory of a new machine', () => {
  it('is read as people write it in either language', () => {
    expect(checkMemory('512', undefined).value).toBe(512 * MIB);
    expect(checkMemory('1,5 GiB', undefined).value).toBe(1.5 * GIB);
  });

  it.each([['much', 'check.sizeMalformed'], ['-1G', 'check.sizeNegative'], ['1M', 'check.memoryTooSmall'], ['64G', 'check.memoryTooLarge'], ['3000000', 'check.memoryNotWhole']])('%j is refused with the reason %s', (text, key) => {
    expect(checkMemory(text, undefined).problem?.key).toBe(key);
  });

  it('is at most what the host has', () => {
    expect(checkMemory('2G', 1 * GIB).problem?.key).toBe('check.memoryMoreThanHost');
  });
});

describe('the disk of a new machine', () => {
  it.each([['8G', 8 * GIB], ['64 MiB', 64 * MIB]])('%j is a size', (text, bytes) => { expect(checkDisk(text).value).toBe(bytes); });
  it.each([['1K', 'check.diskTooSmall'], ['65T', 'check.diskTooLarge'], ['2000001', 'check.diskNotWhole'], ['', 'check.sizeMalformed']])('%j is refused with the reason %s', (text, key) => {
    expect(checkDisk(text).problem?.key).toBe(key);
  });
});

describe('the CD image of a new machine', () => {
  it('is a whole path', () => {
    expect(checkImage('/home/user/debian.iso')).toBeUndefined();
    expect(checkImage('C:\\images\\dos.iso')).toBeUndefined();
    expect(checkImage('debian.iso')?.key).toBe('check.imageNotAbsolute');
    expect(checkImage(' ')?.key).toBe('check.imageEmpty');
    expect(checkImage('../x.iso')?.key).toBe('check.imageInvalid');
  });
});
