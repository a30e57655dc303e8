/** Registers of the 82540EM and their bits, in the spelling of Intel's 8254x software developer's manual, chapter 13. */

export const REGISTER_BYTES = 0x20000;

export const CTRL = 0x0000;
export const CTRL_COPY = 0x0004;
export const STATUS = 0x0008;
export const EECD = 0x0010;
export const EERD = 0x0014;
export const MDIC = 0x0020;
export const ICR = 0x00c0;
export const ITR = 0x00c4;
export const ICS = 0x00c8;
export const IMS = 0x00d0;
export const IMC = 0x00d8;
export const RCTL = 0x0100;
export const TCTL = 0x0400;
export const RDBAL = 0x2800;
export const RDBAH = 0x2804;
export const RDLEN = 0x2808;
export const RDH = 0x2810;
export const RDT = 0x2818;
export const TDBAL = 0x3800;
export const TDBAH = 0x3804;
export const TDLEN = 0x3808;
export const TDH = 0x3810;
export const TDT = 0x3818;
/** Statistics, cleared by reading. */
export const STATISTICS = 0x4000;
export const STATISTICS_END = 0x4100;
export const MPC = 0x4010;
export const GPRC = 0x4074;
export const GPTC = 0x4080;
export const TPR = 0x40d0;
export const TPT = 0x40d4;
export const RXCSUM = 0x5000;
export const MTA = 0x5200;
export const RA = 0x5400;
export const RA_END = 0x5480;
export const REGISTER_WORDS = 0x6000 / 4;

export const CTRL_RST = 1 << 26;
export const CTRL_PHY_RST = 1 << 31;
/** Full duplex, link up, 1000 Mbit/s. */
export const STATUS_LINKED = 0x80083;
export const STATUS_LU = 2;
export const EECD_SK = 1;
export const EECD_CS = 2;
export const EECD_DI = 4;
export const EECD_DO = 8;
export const EECD_REQ = 0x40;
export const EECD_GNT = 0x80;
export const EECD_PRES = 0x100;
export const EERD_START = 1;
export const EERD_DONE = 0x10;
export const MDIC_OP_WRITE = 1;
export const MDIC_OP_READ = 2;
export const MDIC_READY = 1 << 28;
export const MDIC_INTERRUPT = 1 << 29;
export const MDIC_ERROR = 1 << 30;

export const INT_TXDW = 1;
export const INT_TXQE = 2;
export const INT_LSC = 4;
export const INT_RXDMT0 = 0x10;
export const INT_RXT0 = 0x80;
export const INT_MDAC = 0x200;
export const INT_ASSERTED = 0x8000_0000;
export const INT_CAUSES = 0x1ffff;

export const RCTL_EN = 2;
export const RCTL_UPE = 8;
export const RCTL_MPE = 0x10;
export const RCTL_LPE = 0x20;
export const RCTL_BAM = 0x8000;
export const RCTL_BSEX = 0x200_0000;
export const RCTL_SECRC = 0x400_0000;
export const TCTL_EN = 2;
export const TCTL_PSP = 8;
export const RXCSUM_IPOFL = 0x100;
export const RXCSUM_TUOFL = 0x200;
export const RAH_AV = 0x8000_0000;

/**
 * What keeps what is written, by offset: the bits that do. Everything else reads 0 and takes nothing, but for the
 * registers with a mind of their own.
 */
export const PLAIN_REGISTERS: ReadonlyMap<number, number> = new Map([
  [CTRL, 0x7bff_ffff], [0x0018, 0xffff_ffff], [0x001c, 0xffff_ffff], [0x0028, 0xffff_ffff], [0x002c, 0xffff], [0x0030, 0xffff], [0x0038, 0xffff],
  [ITR, 0xffff], [RCTL, 0x07ff_ffff], [0x0170, 0xffff], [0x0178, 0xffff_ffff], [TCTL, 0x03ff_ffff], [0x0410, 0x3fff_ffff], [0x0458, 0xffff], [0x0e00, 0xffff_ffff],
  [0x1000, 0xffff], [0x2160, 0xffff_ffff], [0x2168, 0xffff_ffff],
  [RDBAL, 0xffff_fff0], [RDBAH, 0xffff_ffff], [RDLEN, 0xf_ff80], [RDH, 0xffff], [RDT, 0xffff], [0x2820, 0xffff], [0x2828, 0xffff_ffff], [0x282c, 0xffff], [0x2c00, 0xffff],
  [0x3000, 0xffff_ffff], [TDBAL, 0xffff_fff0], [TDBAH, 0xffff_ffff], [TDLEN, 0xf_ff80], [TDH, 0xffff], [TDT, 0xffff], [0x3820, 0xffff], [0x3828, 0xffff_ffff], [0x382c, 0xffff], [0x3830, 0xffff_ffff],
  [RXCSUM, 0x7ff], [0x5800, 0xf], [0x5808, 0xffff_ffff], [0x5820, 0xffff_ffff],
  ...Array.from({ length: 128 }, (_, index): [number, number] => [MTA + 4 * index, 0xffff_ffff]),
  ...Array.from({ length: (RA_END - RA) / 4 }, (_, index): [number, number] => [RA + 4 * index, index % 2 === 0 ? 0xffff_ffff : 0x8003_ffff]),
  ...Array.from({ length: 128 }, (_, index): [number, number] => [0x5600 + 4 * index, 0xffff_ffff]),
]);
