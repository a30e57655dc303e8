/** Names of the DP8390's registers and bits (DP8390D/NS32490D datasheet, §10). */

export const CR = 0x00;
export const CR_STP = 0x01;
export const CR_STA = 0x02;
export const CR_TXP = 0x04;
export const CR_REMOTE = 0x38;
export const CR_REMOTE_READ = 0x08;
export const CR_REMOTE_WRITE = 0x10;
export const CR_REMOTE_ABORT = 0x20;
export const CR_PAGE_SHIFT = 6;

/** Page 0 as it is read. */
export const READ = {
  clda0: 0x01, clda1: 0x02, bnry: 0x03, tsr: 0x04, ncr: 0x05, fifo: 0x06, isr: 0x07, crda0: 0x08, crda1: 0x09, id0: 0x0a, id1: 0x0b, rsr: 0x0c, cntr0: 0x0d, cntr1: 0x0e,
  cntr2: 0x0f,
} as const;
/** Page 0 as it is written, and page 2 as it is read. */
export const WRITE = {
  pstart: 0x01, pstop: 0x02, bnry: 0x03, tpsr: 0x04, tbcr0: 0x05, tbcr1: 0x06, isr: 0x07, rsar0: 0x08, rsar1: 0x09, rbcr0: 0x0a, rbcr1: 0x0b, rcr: 0x0c, tcr: 0x0d, dcr: 0x0e,
  imr: 0x0f,
} as const;
/** Page 1. */
export const PAR = 0x01;
export const CURR = 0x07;
export const MAR = 0x08;

export const ISR_PRX = 0x01;
export const ISR_PTX = 0x02;
export const ISR_OVW = 0x10;
export const ISR_CNT = 0x20;
export const ISR_RDC = 0x40;
/** No interrupt: the chip has stopped. */
export const ISR_RST = 0x80;

/** Remote DMA by words. */
export const DCR_WTS = 0x01;
/** Normal operation; otherwise TCR's loopback modes hold. */
export const DCR_LS = 0x08;
export const TCR_LOOPBACK = 0x06;
export const RCR_AB = 0x04;
export const RCR_AM = 0x08;
export const RCR_PRO = 0x10;
export const RCR_MON = 0x20;
export const TSR_PTX = 0x01;
export const TSR_CRS = 0x10;
export const RSR_PRX = 0x01;
export const RSR_PHY = 0x20;
export const RSR_DIS = 0x40;
