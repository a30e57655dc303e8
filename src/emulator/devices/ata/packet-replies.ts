/** Answers of a CD/DVD-ROM drive to packet commands (SPC-3; MMC-5, T10/1675D), as bytes. */

export const DISC_SECTOR_BYTES = 2048;
/** 99:59:74, the largest address a CD can have; a larger disc is a DVD. */
const CD_MAXIMUM_SECTORS = 449_850;
/** LBA 0 is at 00:02:00. */
const MSF_LEAD_IN_FRAMES = 150;
const FRAMES_PER_SECOND = 75;
const SECONDS_PER_MINUTE = 60;

const PROFILE_CD_ROM = 0x0008;
const PROFILE_DVD_ROM = 0x0010;
const FEATURE_CURRENT = 0x01;
const FEATURE_PERSISTENT = 0x02;
/** Track 1: data, digital copy prohibited. */
const TRACK_DATA = 0x14;
const LEAD_OUT = 0xaa;
/** 4x DVD in kB/s. */
const SPEED = 5540;
const BUFFER_KIBIBYTES = 512;

export interface Sense {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
}

function big16(value: number): [number, number] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

function big32(value: number): [number, number, number, number] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

function text(value: string, length: number): number[] {
  return Array.from({ length }, (_, index) => (index < value.length ? value.charCodeAt(index) & 0x7f : 0x20));
}

/** The present profile: 0 without a disc. */
function profileOf(sectorCount: number | undefined): number {
  if (sectorCount === undefined) return 0;
  return sectorCount > CD_MAXIMUM_SECTORS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

export function requestSense({ key, asc, ascq }: Sense): Uint8Array {
  return Uint8Array.of(0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0);
}

export function inquiry(): Uint8Array {
  return Uint8Array.from([0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0, ...text('GUESTHSE', 8), ...text('DVD-ROM', 16), ...text('1.0', 4)]);
}

/** Vital product data: the list of pages and the serial number. `undefined` for pages that don't exist. */
export function inquiryPage(page: number, serial: string): Uint8Array | undefined {
  if (page === 0x00) return Uint8Array.of(0x05, 0x00, 0, 2, 0x00, 0x80);
  if (page === 0x80) return Uint8Array.from([0x05, 0x80, 0, 20, ...text(serial, 20)]);
  return undefined;
}

export function readCapacity(sectorCount: number): Uint8Array {
  return Uint8Array.from([...big32(sectorCount - 1), ...big32(DISC_SECTOR_BYTES)]);
}

function address(sector: number, asMsf: boolean): number[] {
  if (!asMsf) return big32(sector);
  const frames = sector + MSF_LEAD_IN_FRAMES;
  const seconds = Math.floor(frames / FRAMES_PER_SECOND);
  return [0, Math.floor(seconds / SECONDS_PER_MINUTE) & 0xff, seconds % SECONDS_PER_MINUTE, frames % FRAMES_PER_SECOND];
}

function withLength(body: readonly number[]): Uint8Array {
  return Uint8Array.from([...big16(body.length), ...body]);
}

/** READ TOC formats 0 (tracks), 1 (sessions) and 2 (raw) of a disc with one data track; `undefined` for others. */
export function readToc(format: number, startTrack: number, asMsf: boolean, sectorCount: number): Uint8Array | undefined {
  const track = [0, TRACK_DATA, 1, 0, ...address(0, asMsf)];
  const leadOut = [0, TRACK_DATA, LEAD_OUT, 0, ...address(sectorCount, asMsf)];
  if (format === 0) {
    if (startTrack > 1 && startTrack !== LEAD_OUT) return undefined;
    return withLength([1, 1, ...(startTrack <= 1 ? track : []), ...leadOut]);
  }
  if (format === 1) return withLength([1, 1, ...track]);
  if (format === 2) {
    const entry = (point: number, last: readonly number[]): number[] => [1, TRACK_DATA, 0, point, 0, 0, 0, ...last];
    const msf = (sector: number): number[] => address(sector, true);
    return withLength([1, 1, ...entry(0xa0, [0, 1, 0, 0]), ...entry(0xa1, [0, 1, 0, 0]), ...entry(0xa2, msf(sectorCount)), ...entry(1, msf(0))]);
  }
  return undefined;
}

export function readSubChannel(withData: boolean, format: number): Uint8Array | undefined {
  const AUDIO_STATUS_NONE = 0x15;
  if (!withData) return Uint8Array.of(0, AUDIO_STATUS_NONE, 0, 0);
  if (format === 1) return Uint8Array.of(0, AUDIO_STATUS_NONE, 0, 12, 1, TRACK_DATA, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  if (format === 2 || format === 3) return Uint8Array.from([0, AUDIO_STATUS_NONE, 0, 20, format, ...new Array<number>(19).fill(0)]);
  return undefined;
}

export function readDiscInformation(): Uint8Array {
  // Complete disc, complete last session, one session, one track, unrestricted use, CD-ROM.
  const body = new Uint8Array(34);
  body.set([0, 32, 0x0e, 1, 1, 1, 1, 0x20, 0x00]);
  body.fill(0xff, 16, 24);
  return body;
}

export function readTrackInformation(sectorCount: number): Uint8Array {
  const body = new Uint8Array(36);
  body.set([0, 34, 1, 1, 0, 0x04, 0x01, 0]);
  body.set(big32(sectorCount), 24);
  return body;
}

export function mechanismStatus(trayOpen: boolean): Uint8Array {
  return Uint8Array.of(0, trayOpen ? 0x10 : 0, 0, 0, 0, 0, 0, 0);
}

const PAGE_ERROR_RECOVERY = 0x01;
const PAGE_POWER = 0x1a;
const PAGE_CAPABILITIES = 0x2a;
const PAGE_ALL = 0x3f;

function modePage(page: number, locked: boolean): number[] | undefined {
  if (page === PAGE_ERROR_RECOVERY) return [PAGE_ERROR_RECOVERY, 6, 0, 5, 0, 0, 0, 0];
  if (page === PAGE_POWER) return [PAGE_POWER, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  if (page !== PAGE_CAPABILITIES) return undefined;
  // Reads CD-R, CD-RW, DVD-ROM; mode 2 forms 1 and 2, several sessions; lock, eject, tray.
  return [
    PAGE_CAPABILITIES, 18, 0x0b, 0x00, 0x70, 0x00, 0x29 | (locked ? 0x02 : 0), 0x00,
    ...big16(SPEED), 0, 2, ...big16(BUFFER_KIBIBYTES), ...big16(SPEED), 0, 0, 0, 0,
  ];
}

/** MODE SENSE with the header of the 6- or 10-byte command; `undefined` for pages that don't exist. */
export function modeSense(page: number, header: 6 | 10, locked: boolean, hasDisc: boolean): Uint8Array | undefined {
  const pages = page === PAGE_ALL
    ? [PAGE_ERROR_RECOVERY, PAGE_POWER, PAGE_CAPABILITIES].flatMap((each) => modePage(each, locked) ?? [])
    : modePage(page, locked);
  if (pages === undefined) return undefined;
  const mediumType = hasDisc ? 0x01 : 0x70;
  if (header === 6) return Uint8Array.from([3 + pages.length, mediumType, 0, 0, ...pages]);
  return Uint8Array.from([...big16(6 + pages.length), mediumType, 0, 0, 0, 0, 0, ...pages]);
}

function feature(code: number, version: number, flags: number, data: readonly number[]): number[] {
  return [...big16(code), (version << 2) | flags, data.length, ...data];
}

/** GET CONFIGURATION: `requestType` 0 all features, 1 current ones, 2 the one at `start`. */
export function getConfiguration(requestType: number, start: number, sectorCount: number | undefined): Uint8Array {
  const profile = profileOf(sectorCount);
  const current = (of: number): number => (profile === of ? FEATURE_CURRENT : 0);
  const hasDisc = profile === 0 ? 0 : FEATURE_CURRENT;
  const features: [code: number, flags: number, descriptor: number[]][] = [
    [0x0000, FEATURE_CURRENT, feature(0x0000, 0, FEATURE_CURRENT | FEATURE_PERSISTENT, [
      ...big16(PROFILE_DVD_ROM), current(PROFILE_DVD_ROM), 0, ...big16(PROFILE_CD_ROM), current(PROFILE_CD_ROM), 0,
    ])],
    // Core: ATAPI; device busy events.
    [0x0001, FEATURE_CURRENT, feature(0x0001, 2, FEATURE_CURRENT | FEATURE_PERSISTENT, [0, 0, 0, 2, 1, 0, 0, 0])],
    // Removable medium: tray, eject, lock.
    [0x0003, FEATURE_CURRENT, feature(0x0003, 0, FEATURE_CURRENT | FEATURE_PERSISTENT, [0x29, 0, 0, 0])],
    [0x0010, hasDisc, feature(0x0010, 0, hasDisc, [...big32(DISC_SECTOR_BYTES), 0, 1, 0, 0])],
    [0x001e, current(PROFILE_CD_ROM), feature(0x001e, 2, current(PROFILE_CD_ROM), [0, 0, 0, 0])],
    [0x001f, current(PROFILE_DVD_ROM), feature(0x001f, 0, current(PROFILE_DVD_ROM), [])],
  ];
  const chosen = features.filter(([code, flags]) => (requestType === 2 ? code === start : code >= start && (requestType === 0 || flags !== 0)));
  const body = [0, 0, ...big16(profile), ...chosen.flatMap(([, , descriptor]) => descriptor)];
  return Uint8Array.from([...big32(body.length), ...body]);
}

/** Media event codes of GET EVENT STATUS NOTIFICATION. */
export const MEDIA_EVENT_NONE = 0;
export const MEDIA_EVENT_EJECT_REQUEST = 1;
export const MEDIA_EVENT_NEW_MEDIA = 2;
export const MEDIA_EVENT_REMOVAL = 3;
const CLASS_MEDIA = 4;
const CLASS_MEDIA_BIT = 1 << CLASS_MEDIA;
const NO_EVENT_AVAILABLE = 0x80;

/** `event` is a media event code. */
export function getEventStatus(requestedClasses: number, event: number, hasDisc: boolean, trayOpen: boolean): Uint8Array {
  if ((requestedClasses & CLASS_MEDIA_BIT) === 0) return Uint8Array.of(0, 2, NO_EVENT_AVAILABLE, CLASS_MEDIA_BIT);
  const status = (hasDisc ? 0x02 : 0) | (trayOpen ? 0x01 : 0);
  return Uint8Array.of(0, 6, CLASS_MEDIA, CLASS_MEDIA_BIT, event, status, 0, 0);
}
