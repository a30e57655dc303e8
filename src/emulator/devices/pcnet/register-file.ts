/** The chip's registers and what they say together: CSRs, BCRs, address PROM, and the places in the rings that CSRs count. */
import { descriptorBytes, type SoftwareStyle } from './descriptors.ts';
import * as reg from './registers.ts';

/** Part 2621h in bits 27 to 12, AMD's number below. */
const CHIP_ID = 0x0262_1003;
export const APROM_BYTES = 16;

export interface RegisterState {
  csr: Uint16Array;
  bcr: Uint16Array;
  /** Which the guest may be allowed to write. */
  aprom: Uint8Array;
  /** RAP: the register that RDP and BDP show. */
  selected: number;
  /** Places in the rings, from 0. */
  receiveIndex: number;
  transmitIndex: number;
}

export class RegisterFile {
  readonly csr = new Uint16Array(reg.CSR_COUNT);
  readonly bcr = new Uint16Array(reg.BCR_COUNT);
  readonly aprom = new Uint8Array(APROM_BYTES);
  selected = 0;
  receiveIndex = 0;
  transmitIndex = 0;

  /** H_RESET. */
  reset(mac: Uint8Array): void {
    this.aprom.fill(0);
    this.aprom.set(mac);
    // What AMD's drivers look for: the hardware's number, and "WW".
    this.aprom[9] = 0x11;
    this.aprom.fill(0x57, 14);
    const sum = this.aprom.reduce((total, byte) => total + byte, 0);
    this.aprom.set([sum & 0xff, sum >> 8], 12);
    this.bcr.fill(0);
    for (const [register, value] of Object.entries(reg.BCR_INITIAL)) this.bcr[Number(register)] = value;
    this.softReset();
  }

  /** S_RESET: bus configuration stays, and so does the width of accesses. */
  softReset(): void {
    const { csr, aprom } = this;
    csr.fill(0);
    csr[reg.CSR_STATUS] = reg.STATUS_STOP;
    csr[reg.CSR_FEATURES] = reg.FEATURES_INITIAL;
    for (let word = 0; word < 3; word++) csr[reg.CSR_PADR + word] = aprom[2 * word]! | (aprom[2 * word + 1]! << 8);
    csr[reg.CSR_RECEIVE_LENGTH] = -1;
    csr[reg.CSR_TRANSMIT_LENGTH] = -1;
    csr[reg.CSR_FIFO] = reg.FIFO_INITIAL;
    csr[reg.CSR_BUS_TIMEOUT] = reg.BUS_TIMEOUT_INITIAL;
    this.selected = 0;
    this.receiveIndex = 0;
    this.transmitIndex = 0;
  }

  save(): RegisterState {
    const { csr, bcr, aprom, selected, receiveIndex, transmitIndex } = this;
    return { csr: csr.slice(), bcr: bcr.slice(), aprom: aprom.slice(), selected, receiveIndex, transmitIndex };
  }

  restore({ csr, bcr, aprom, selected, receiveIndex, transmitIndex }: RegisterState): void {
    this.csr.set(csr);
    this.bcr.set(bcr);
    this.aprom.set(aprom);
    Object.assign(this, { selected, receiveIndex, transmitIndex });
  }

  get isByDoublewords(): boolean {
    return (this.bcr[reg.BCR_BUS]! & reg.BUS_DWIO) !== 0;
  }

  get style(): SoftwareStyle {
    return (this.bcr[reg.BCR_STYLE]! & 3) as SoftwareStyle;
  }

  /** Neither stopped nor suspended. */
  get isActive(): boolean {
    return (this.csr[reg.CSR_STATUS]! & reg.STATUS_STOP) === 0 && (this.csr[reg.CSR_EXTENDED]! & reg.EXTENDED_SPND) === 0;
  }

  /** `direction`: TXON or RXON. */
  isOn(direction: number): boolean {
    return this.isActive && this.has(reg.CSR_STATUS, direction);
  }

  /** Whether any of `bits` is set. */
  has(register: number, bits: number): boolean {
    return (this.csr[register]! & bits) !== 0;
  }

  /** Any of the low sixteen bits, and all of them where a doubleword of the chip's number is read. */
  readCsr(register: number, isWide: boolean): number {
    const { csr, receiveIndex, transmitIndex } = this;
    switch (register) {
      case reg.CSR_STATUS: return csr[register]! | (this.#isInterrupting ? reg.STATUS_INTR : 0) | (this.has(register, reg.STATUS_ERRORS) ? reg.STATUS_ERR : 0);
      case reg.CSR_RECEIVE_CURRENT: return this.receiveAt(receiveIndex) & 0xffff;
      case reg.CSR_RECEIVE_CURRENT + 1: return this.receiveAt(receiveIndex) >>> 16;
      case reg.CSR_TRANSMIT_CURRENT: return this.transmitAt(transmitIndex) & 0xffff;
      case reg.CSR_TRANSMIT_CURRENT + 1: return this.transmitAt(transmitIndex) >>> 16;
      case reg.CSR_STYLE_ALIAS: return this.bcr[reg.BCR_STYLE]!;
      // From the negative length up to 0, which is the ring's last.
      case reg.CSR_RECEIVE_COUNTER: return (receiveIndex + 1 - this.receiveLength) & 0xffff;
      case reg.CSR_TRANSMIT_COUNTER: return (transmitIndex + 1 - this.transmitLength) & 0xffff;
      case reg.CSR_CHIP_LOW: return isWide ? CHIP_ID : CHIP_ID & 0xffff;
      case reg.CSR_CHIP_HIGH: return CHIP_ID >>> 16;
      default: return csr[aliased(register)] ?? 0;
    }
  }

  /** Of all but CSR0, which is a command. */
  writeCsr(register: number, value: number): void {
    const { csr } = this;
    switch (register) {
      case reg.CSR_MASKS: csr[register] = value & reg.MASKS_WRITABLE; break;
      case reg.CSR_FEATURES: {
        const raised = (value & reg.FEATURES_UINTCMD) !== 0 ? reg.FEATURES_UINT : 0;
        csr[register] = (csr[register]! & reg.FEATURES_CAUSES & ~value) | (value & reg.FEATURES_WRITABLE) | raised;
        break;
      }
      case reg.CSR_EXTENDED: csr[register] = (csr[register]! & reg.EXTENDED_CAUSES & ~value) | (value & reg.EXTENDED_WRITABLE); break;
      case reg.CSR_STYLE_ALIAS: this.writeBcr(reg.BCR_STYLE, value); break;
      default:
        if (this.isActive || !reg.CSR_GUARDED.includes(aliased(register))) return;
        csr[aliased(register)] = value;
        this.receiveIndex %= this.receiveLength;
        this.transmitIndex %= this.transmitLength;
    }
  }

  readBcr(register: number, isLinkUp: boolean): number {
    const value = this.bcr[register] ?? 0;
    const isLit = register >= reg.BCR_LINK_LED && register <= reg.BCR_LED_LAST && isLinkUp && (value & reg.LED_LINK) !== 0;
    return isLit ? value | reg.LED_LIT : value;
  }

  writeBcr(register: number, value: number): void {
    if (register === reg.BCR_STYLE) {
      const style = value & 0xff;
      if (this.isActive || style > 3) return;
      this.bcr[register] = style | (style === 0 ? 0 : reg.STYLE_SSIZE32) | (style === 1 ? 0 : reg.STYLE_CSRPCNET);
    } else {
      const writable = reg.BCR_WRITABLE[register] ?? 0;
      if (writable !== 0) this.bcr[register] = (this.bcr[register]! & ~writable) | (value & writable);
    }
  }

  /** STOP clears every cause, and lets no suspension wait. */
  stop(): void {
    this.csr[reg.CSR_STATUS] = reg.STATUS_STOP;
    this.csr[reg.CSR_FEATURES]! &= ~reg.FEATURES_CAUSES;
    this.csr[reg.CSR_EXTENDED]! &= ~(reg.EXTENDED_CAUSES | reg.EXTENDED_SPND);
  }

  /** The level of INTA#. */
  get isLineAsserted(): boolean {
    const extended = this.csr[reg.CSR_EXTENDED]!;
    return (this.has(reg.CSR_STATUS, reg.STATUS_IENA) && this.#isInterrupting) || (extended & (extended << 1) & reg.EXTENDED_SYSTEM_CAUSES) !== 0;
  }

  get #isInterrupting(): boolean {
    const [status, masks, features, extended] = [this.csr[reg.CSR_STATUS]!, this.csr[reg.CSR_MASKS]!, this.csr[reg.CSR_FEATURES]!, this.csr[reg.CSR_EXTENDED]!];
    return (status & ~masks & reg.STATUS_INTERRUPTS) !== 0 || (features & ~(features << 1) & reg.FEATURES_MASKED_CAUSES) !== 0 ||
      (features & reg.FEATURES_UINT) !== 0 || (extended & (extended << 1) & reg.EXTENDED_CAUSES) !== 0;
  }

  /** Ring lengths are negative. */
  get receiveLength(): number {
    return 0x10000 - this.csr[reg.CSR_RECEIVE_LENGTH]!;
  }

  get transmitLength(): number {
    return 0x10000 - this.csr[reg.CSR_TRANSMIT_LENGTH]!;
  }

  /** Where a descriptor lies; `index` may have run past the ring's end. */
  receiveAt(index: number): number {
    return this.#descriptorAt(reg.CSR_RECEIVE_BASE, index % this.receiveLength);
  }

  transmitAt(index: number): number {
    return this.#descriptorAt(reg.CSR_TRANSMIT_BASE, index % this.transmitLength);
  }

  #descriptorAt(base: number, index: number): number {
    return ((this.csr[base]! | (this.csr[base + 1]! << 16)) + index * descriptorBytes(this.style)) >>> 0;
  }
}

/** CSR16 and CSR17 are CSR1 and CSR2. */
function aliased(register: number): number {
  return register === reg.CSR_INIT_ALIAS || register === reg.CSR_INIT_ALIAS + 1 ? register - reg.CSR_INIT_ALIAS + reg.CSR_INIT_LOW : register;
}
