/**
 * What the monitor says of itself: VESA E-EDID Standard, Release A, revision 2 (structure 1.4), 128 bytes. The first
 * detailed timing is the preferred mode that a guest's driver sets by itself.
 */
export function monitorEdid(): Uint8Array {
  const edid = new Uint8Array(128);
  edid.set([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]);
  // Manufacturer "GHS" (5 bits a letter, big-endian), product 1, serial 1, week 1 of 2026, structure 1.4.
  const manufacturer = (7 << 10) | (8 << 5) | 19;
  edid.set([manufacturer >> 8, manufacturer & 0xff, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 1, 2026 - 1990, 1, 4], 8);
  // Digital input of 8 bits a color, 32 x 24 cm, gamma 2.2, RGB 4:4:4 with the preferred timing first.
  edid.set([0xa0, 32, 24, 120, 0x06], 20);
  // sRGB chromaticity coordinates.
  edid.set([0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54], 25);
  // Established: 640x480, 800x600 and 1024x768 at 60 Hz.
  edid.set([0x21, 0x08, 0x00], 35);
  const standard = [[1280, 0], [1280, 2], [1440, 0], [1600, 1], [1680, 0], [1920, 3], [1920, 0]] as const;
  for (let i = 0; i < 8; i++) {
    const mode = standard[i];
    // Width / 8 - 31, then aspect (0 = 16:10, 1 = 4:3, 2 = 5:4, 3 = 16:9) and 60 Hz.
    edid.set(mode ? [mode[0] / 8 - 31, mode[1] << 6] : [0x01, 0x01], 38 + i * 2);
  }
  edid.set(detailedTiming(6_500, 1024, 320, 24, 136, 768, 38, 3, 6), 54);
  edid.set([0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 30, 0, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20], 72);
  edid.set([0, 0, 0, 0xfc, 0, ...nameBytes('Guesthouse')], 90);
  edid.set([0, 0, 0, 0x10], 108);
  let sum = 0;
  for (let i = 0; i < 127; i++) sum += edid[i]!;
  edid[127] = -sum & 0xff;
  return edid;
}

function nameBytes(name: string): number[] {
  const bytes = [...name].map((letter) => letter.charCodeAt(0));
  bytes.push(0x0a);
  while (bytes.length < 13) bytes.push(0x20);
  return bytes;
}

function detailedTiming(
  clock10Kilohertz: number, width: number, horizontalBlank: number, horizontalFront: number, horizontalSync: number,
  height: number, verticalBlank: number, verticalFront: number, verticalSync: number,
): number[] {
  const widthMillimetres = 320;
  const heightMillimetres = 240;
  return [
    clock10Kilohertz & 0xff, clock10Kilohertz >> 8,
    width & 0xff, horizontalBlank & 0xff, ((width >> 8) << 4) | (horizontalBlank >> 8),
    height & 0xff, verticalBlank & 0xff, ((height >> 8) << 4) | (verticalBlank >> 8),
    horizontalFront & 0xff, horizontalSync & 0xff, ((verticalFront & 15) << 4) | (verticalSync & 15),
    ((horizontalFront >> 8) << 6) | ((horizontalSync >> 8) << 4) | ((verticalFront >> 4) << 2) | (verticalSync >> 4),
    widthMillimetres & 0xff, heightMillimetres & 0xff, ((widthMillimetres >> 8) << 4) | (heightMillimetres >> 8),
    0, 0, 0x1e,
  ];
}
