/** Names of the Am79C970A's registers and bits (Am79C970A datasheet, "Register Descriptions" and "Initialization Block"). */

// ---- Control and status registers ----

export const CSR_STATUS = 0;
export const STATUS_INIT = 0x0001;
export const STATUS_STRT = 0x0002;
export const STATUS_STOP = 0x0004;
export const STATUS_TDMD = 0x0008;
export const STATUS_TXON = 0x0010;
export const STATUS_RXON = 0x0020;
export const STATUS_IENA = 0x0040;
export const STATUS_INTR = 0x0080;
export const STATUS_IDON = 0x0100;
export const STATUS_TINT = 0x0200;
export const STATUS_RINT = 0x0400;
export const STATUS_MISS = 0x1000;
/** Without a link there is no heartbeat after a frame. */
export const STATUS_CERR = 0x2000;
export const STATUS_BABL = 0x4000;
export const STATUS_ERR = 0x8000;
/** What ERR is the sum of: BABL, CERR, MISS, MERR. */
export const STATUS_ERRORS = 0x7800;
/** Cleared by writing ones. */
export const STATUS_CAUSES = 0x7f00;
/** All causes but CERR. */
export const STATUS_INTERRUPTS = 0x5f00;

/** Address of the initialization block. */
export const CSR_INIT_LOW = 1;
export const CSR_INIT_HIGH = 2;

/** Masks of CSR0's causes, at the same bits. */
export const CSR_MASKS = 3;
export const MASKS_DXSUFLO = 0x0040;
export const MASKS_WRITABLE = 0x5f7c;

export const CSR_FEATURES = 4;
export const FEATURES_DPOLL = 0x1000;
export const FEATURES_APAD_XMT = 0x0800;
export const FEATURES_ASTRP_RCV = 0x0400;
export const FEATURES_UINTCMD = 0x0080;
export const FEATURES_UINT = 0x0040;
export const FEATURES_TXSTRT = 0x0008;
/** Each cause's mask is the bit below it; UINT has none. */
export const FEATURES_CAUSES = 0x026a;
export const FEATURES_MASKED_CAUSES = 0x022a;
export const FEATURES_WRITABLE = 0xdd15;
export const FEATURES_INITIAL = 0x0115;

export const CSR_EXTENDED = 5;
export const EXTENDED_TOKINTD = 0x8000;
export const EXTENDED_LTINTEN = 0x4000;
export const EXTENDED_SPND = 0x0001;
/** Each cause's enable is the bit below it. */
export const EXTENDED_CAUSES = 0x0a90;
/** SINT and SLPINT, which IENA doesn't hold back. */
export const EXTENDED_SYSTEM_CAUSES = 0x0a00;
export const EXTENDED_WRITABLE = 0xc56f;

/** RLEN and TLEN as the initialization block had them. */
export const CSR_LENGTHS = 6;
export const CSR_LADRF = 8;
export const CSR_PADR = 12;

export const CSR_MODE = 15;
export const MODE_PROM = 0x8000;
export const MODE_DRCVBC = 0x4000;
export const MODE_DRCVPA = 0x2000;
export const MODE_DXMTFCS = 0x0008;
export const MODE_LOOP = 0x0004;
export const MODE_DTX = 0x0002;
export const MODE_DRX = 0x0001;

/** CSR1 and CSR2 by other numbers. */
export const CSR_INIT_ALIAS = 16;
export const CSR_RECEIVE_BASE = 24;
export const CSR_RECEIVE_CURRENT = 28;
export const CSR_TRANSMIT_BASE = 30;
export const CSR_TRANSMIT_CURRENT = 34;
export const CSR_POLL_INTERVAL = 47;
/** BCR20 by another number. */
export const CSR_STYLE_ALIAS = 58;
export const CSR_RECEIVE_COUNTER = 72;
export const CSR_TRANSMIT_COUNTER = 74;
export const CSR_RECEIVE_LENGTH = 76;
export const CSR_TRANSMIT_LENGTH = 78;
export const CSR_FIFO = 80;
export const FIFO_INITIAL = 0x1410;
export const CSR_CHIP_LOW = 88;
export const CSR_CHIP_HIGH = 89;
export const CSR_BUS_TIMEOUT = 100;
export const BUS_TIMEOUT_INITIAL = 0x0200;
export const CSR_MISSED = 112;
export const CSR_COUNT = 128;

/** Written while the chip is stopped or suspended, and else not. */
export const CSR_GUARDED: readonly number[] = [
  CSR_INIT_LOW, CSR_INIT_HIGH, CSR_LADRF, CSR_LADRF + 1, CSR_LADRF + 2, CSR_LADRF + 3, CSR_PADR, CSR_PADR + 1, CSR_PADR + 2, CSR_MODE, CSR_RECEIVE_BASE, CSR_RECEIVE_BASE + 1,
  CSR_TRANSMIT_BASE, CSR_TRANSMIT_BASE + 1, CSR_POLL_INTERVAL, CSR_RECEIVE_LENGTH, CSR_TRANSMIT_LENGTH, CSR_FIFO, CSR_BUS_TIMEOUT, CSR_MISSED,
];

// ---- Bus configuration registers ----

export const BCR_MISCELLANEOUS = 2;
export const MISCELLANEOUS_APROMWE = 0x0100;
/** The first of four LED registers: as it comes, the one that shows the link. */
export const BCR_LINK_LED = 4;
export const BCR_LED_LAST = 7;
export const LED_LIT = 0x8000;
export const LED_LINK = 0x0040;
export const BCR_BUS = 18;
export const BUS_DWIO = 0x0080;
export const BCR_STYLE = 20;
export const STYLE_SSIZE32 = 0x0100;
export const STYLE_CSRPCNET = 0x0200;
export const BCR_COUNT = 32;

/** Bits that keep what is written, by register. The software style has rules of its own. */
export const BCR_WRITABLE: Readonly<Record<number, number>> = { 2: 0x418f, 4: 0x63ff, 5: 0x63ff, 6: 0x63ff, 7: 0x63ff, 9: 0x0007, 16: 0xffe0, 17: 0xffff, 18: 0xff7f, 19: 0x001f, 21: 0x003f, 22: 0xffff };
export const BCR_INITIAL: Readonly<Record<number, number>> = {
  0: 0x0005, 1: 0x0005, [BCR_MISCELLANEOUS]: 0x0002, 4: 0x00c0, 5: 0x0084, 6: 0x0088, 7: 0x0090, [BCR_BUS]: 0x9001, 19: 0x0002, [BCR_STYLE]: STYLE_CSRPCNET, 22: 0xff06,
};

// ---- Descriptors ----

export const OWN = 0x8000;
export const ERR = 0x4000;
export const STP = 0x0200;
export const ENP = 0x0100;
/** Of a receive descriptor: the frame went on, but no buffer was left. */
export const RECEIVE_BUFF = 0x0400;
export const RECEIVE_PAM = 0x0040;
export const RECEIVE_LAFM = 0x0020;
export const RECEIVE_BAM = 0x0010;
/** NO_FCS in the ILACC's style. */
export const TRANSMIT_ADD_FCS = 0x2000;
export const TRANSMIT_LTINT = 0x1000;
/** In the upper half of a transmit descriptor's error doubleword, which is the last word of the LANCE's. */
export const ERROR_BUFF = 0x8000;
export const ERROR_UFLO = 0x4000;
export const ERROR_LCAR = 0x0800;
