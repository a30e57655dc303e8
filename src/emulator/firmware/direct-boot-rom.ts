/**
 * The option ROM behind direct boot. SeaBIOS finds it as a fw_cfg file, lists it as a boot device and calls its
 * bootstrap entry vector (Plug and Play BIOS Specification 1.0A §3.3) after the display, the memory map and the tables
 * are up. It fetches the parts of a Linux kernel by fw_cfg DMA, straight to their places, and enters the kernel's
 * real-mode code (Linux/x86 boot protocol, "Running the kernel"), which asks the BIOS for everything else as on any PC.
 *
 * 16-bit code, hand-assembled: each line is one instruction and its assembly. It keeps its data in the page where a
 * boot sector would lie, since the ROM itself is read-only by then.
 */
import { FW_CFG_PORTS } from '../machine/pc-layout.ts';
import { checksumOf } from './byte-writer.ts';
import { FW_CFG_KEYS } from './fw-cfg-keys.ts';

export const DIRECT_BOOT_ROM_FILE = 'genroms/guesthouse-boot.bin';

/** Offset of the kernel's real-mode code from its segment, in paragraphs: past the boot sector. */
const SETUP_ENTRY_PARAGRAPHS = 0x20;
/** The stack grows down from the end of the real-mode segment. */
const SETUP_STACK_POINTER = 0xfff0;

const BLOCK_BYTES = 512;
const PNP_HEADER = 0x20;
const PNP_BYTES = 32;
const CODE = PNP_HEADER + PNP_BYTES;
/** struct FWCfgDmaAccess, then the address and the length of the part at hand. */
const DMA_CONTROL = 0x7c00;
const DMA_LENGTH = DMA_CONTROL + 4;
const DMA_TARGET_HIGH = DMA_CONTROL + 8;
const DMA_TARGET_LOW = DMA_CONTROL + 12;
const PART_ADDRESS = 0x7c10;
const PART_LENGTH = 0x7c14;
const STACK_TOP = 0x7c00;
const DMA_PORT_HIGH = FW_CFG_PORTS.base + 4;
const DMA_PORT_LOW = FW_CFG_PORTS.base + 8;

type Operand = number | { readonly rel8: string } | { readonly rel16: string } | { readonly offset16: string };
type Line = string | readonly Operand[];

function word(value: number): [number, number] {
  return [value & 0xff, (value >> 8) & 0xff];
}

/** Strings are labels. Returns the bytes as they lie from `origin` on, and the labels' offsets. */
function assemble(lines: readonly Line[], origin: number): { bytes: number[]; labels: Map<string, number> } {
  const size = (operand: Operand): number => (typeof operand === 'number' || 'rel8' in operand ? 1 : 2);
  const labels = new Map<string, number>();
  let offset = origin;
  for (const line of lines) {
    if (typeof line === 'string') labels.set(line, offset);
    else offset += line.reduce((sum: number, operand) => sum + size(operand), 0);
  }
  const target = (label: string): number => {
    const found = labels.get(label);
    if (found === undefined) throw new Error(`no label ${label}`);
    return found;
  };
  const bytes: number[] = [];
  for (const line of lines) {
    if (typeof line === 'string') continue;
    for (const operand of line) {
      const next = origin + bytes.length + size(operand);
      if (typeof operand === 'number') bytes.push(operand);
      else if ('rel16' in operand) bytes.push(...word(target(operand.rel16) - next));
      else if ('offset16' in operand) bytes.push(...word(target(operand.offset16)));
      else {
        const distance = target(operand.rel8) - next;
        if (distance < -128 || distance > 127) throw new Error(`${operand.rel8} is too far for a short jump`);
        bytes.push(distance & 0xff);
      }
    }
  }
  return { bytes, labels };
}

function zeroTerminated(text: string): readonly number[] {
  return [...text].map((character) => character.charCodeAt(0)).concat(0);
}

const PROGRAM: readonly Line[] = [
  'bootstrap',
  [0xfa], //                                             cli
  [0xfc], //                                             cld
  [0x31, 0xc0], //                                       xor ax, ax
  [0x8e, 0xd8], //                                       mov ds, ax
  [0x8e, 0xd0], //                                       mov ss, ax
  [0xbc, ...word(STACK_TOP)], //                         mov sp, STACK_TOP
  [0xbe, { offset16: 'parts' }], //                      mov si, parts
  'nextPart',
  [0x2e, 0x8a, 0x04], //                                 mov al, cs:[si]        key of the address
  [0x84, 0xc0], //                                       test al, al
  [0x74, { rel8: 'enterKernel' }], //                    jz enterKernel
  [0xbf, ...word(PART_ADDRESS)], //                      mov di, PART_ADDRESS
  [0xe8, { rel16: 'readNumber' }], //                    call readNumber
  [0x2e, 0x8a, 0x44, 0x01], //                           mov al, cs:[si+1]      key of the length
  [0xbf, ...word(PART_LENGTH)], //                       mov di, PART_LENGTH
  [0xe8, { rel16: 'readNumber' }], //                    call readNumber
  [0x2e, 0x8a, 0x44, 0x02], //                           mov al, cs:[si+2]      key of the data
  [0x66, 0x8b, 0x16, ...word(PART_ADDRESS)], //          mov edx, [PART_ADDRESS]
  [0x66, 0x8b, 0x0e, ...word(PART_LENGTH)], //           mov ecx, [PART_LENGTH]
  [0xe8, { rel16: 'readItem' }], //                      call readItem
  [0x83, 0xc6, 0x03], //                                 add si, 3
  [0xeb, { rel8: 'nextPart' }], //                       jmp nextPart

  // The real-mode code comes last in `parts`: PART_ADDRESS is its address.
  'enterKernel',
  [0x66, 0xa1, ...word(PART_ADDRESS)], //                mov eax, [PART_ADDRESS]
  [0x66, 0xc1, 0xe8, 0x04], //                           shr eax, 4
  [0x8e, 0xd8], //                                       mov ds, ax
  [0x8e, 0xc0], //                                       mov es, ax
  [0x8e, 0xe0], //                                       mov fs, ax
  [0x8e, 0xe8], //                                       mov gs, ax
  [0x8e, 0xd0], //                                       mov ss, ax
  [0xbc, ...word(SETUP_STACK_POINTER)], //               mov sp, SETUP_STACK_POINTER
  [0x05, ...word(SETUP_ENTRY_PARAGRAPHS)], //            add ax, SETUP_ENTRY_PARAGRAPHS
  [0x50], //                                             push ax
  [0x31, 0xc0], //                                       xor ax, ax
  [0x50], //                                             push ax
  [0xcb], //                                             retf

  // al: key of a 32-bit number; ds:di: where to.
  'readNumber',
  [0x66, 0xb9, 4, 0, 0, 0], //                           mov ecx, 4
  [0x66, 0x0f, 0xb7, 0xd7], //                           movzx edx, di
  // al: key; ecx: bytes to read, possibly none; edx: physical address. All of the structure is big-endian.
  'readItem',
  [0xc6, 0x06, ...word(DMA_CONTROL), 0x00], //           mov byte [DMA_CONTROL], 0
  [0xa2, ...word(DMA_CONTROL + 1)], //                   mov [DMA_CONTROL+1], al
  [0xc7, 0x06, ...word(DMA_CONTROL + 2), 0x00, 0x0a], // mov word [DMA_CONTROL+2], 0x0a00   select | read
  [0x66, 0x0f, 0xc9], //                                 bswap ecx
  [0x66, 0x89, 0x0e, ...word(DMA_LENGTH)], //            mov [DMA_LENGTH], ecx
  [0x66, 0x31, 0xc0], //                                 xor eax, eax
  [0x66, 0xa3, ...word(DMA_TARGET_HIGH)], //             mov [DMA_TARGET_HIGH], eax
  [0x66, 0x0f, 0xca], //                                 bswap edx
  [0x66, 0x89, 0x16, ...word(DMA_TARGET_LOW)], //        mov [DMA_TARGET_LOW], edx
  [0xba, ...word(DMA_PORT_HIGH)], //                     mov dx, DMA_PORT_HIGH
  [0x66, 0xef], //                                       out dx, eax
  [0xba, ...word(DMA_PORT_LOW)], //                      mov dx, DMA_PORT_LOW
  [0x66, 0xb8, 0, 0, ...word(DMA_CONTROL).reverse()], // mov eax, bswap(DMA_CONTROL)
  [0x66, 0xef], //                                       out dx, eax
  'waitForDma',
  [0x66, 0xa1, ...word(DMA_CONTROL)], //                 mov eax, [DMA_CONTROL]
  [0x66, 0x85, 0xc0], //                                 test eax, eax
  [0x74, { rel8: 'read' }], //                           jz read
  [0xf6, 0x06, ...word(DMA_CONTROL + 3), 0x01], //       test byte [DMA_CONTROL+3], 1           error
  [0x74, { rel8: 'waitForDma' }], //                     jz waitForDma

  'failed',
  [0x0e], //                                             push cs
  [0x1f], //                                             pop ds
  [0xbe, { offset16: 'message' }], //                    mov si, message
  'nextCharacter',
  [0xac], //                                             lodsb
  [0x84, 0xc0], //                                       test al, al
  [0x74, { rel8: 'giveUp' }], //                         jz giveUp
  [0xb4, 0x0e], //                                       mov ah, 0x0e
  [0xbb, 0x07, 0x00], //                                 mov bx, 7
  [0xcd, 0x10], //                                       int 0x10               teletype output
  [0xeb, { rel8: 'nextCharacter' }], //                  jmp nextCharacter
  'giveUp',
  [0xfb], //                                             sti
  [0xcd, 0x18], //                                       int 0x18               next boot device
  'halt',
  [0xf4], //                                             hlt
  [0xeb, { rel8: 'halt' }], //                           jmp halt
  'read',
  [0xc3], //                                             ret

  // Keys of address, length and data; the real-mode code is the last, a 0 ends the table.
  'parts',
  [FW_CFG_KEYS.commandLineAddress, FW_CFG_KEYS.commandLineSize, FW_CFG_KEYS.commandLineData],
  [FW_CFG_KEYS.kernelAddress, FW_CFG_KEYS.kernelSize, FW_CFG_KEYS.kernelData],
  [FW_CFG_KEYS.initrdAddress, FW_CFG_KEYS.initrdSize, FW_CFG_KEYS.initrdData],
  [FW_CFG_KEYS.setupAddress, FW_CFG_KEYS.setupSize, FW_CFG_KEYS.setupData],
  [0],
  'message',
  zeroTerminated('\r\nThe kernel could not be loaded.\r\n'),
  'manufacturer',
  zeroTerminated('Guesthouse'),
  'product',
  zeroTerminated('Linux kernel (direct boot)'),
];

/** The ROM image, checksums included. Its parts come from the items of `planLinuxBoot`. */
export function directBootRom(): Uint8Array {
  const { bytes, labels } = assemble(PROGRAM, CODE);
  const rom = new Uint8Array(Math.ceil((CODE + bytes.length) / BLOCK_BYTES) * BLOCK_BYTES);
  rom.set([0x55, 0xaa, rom.length / BLOCK_BYTES]);
  // The initialization vector: mov ax, 0x20 (an IPL device is attached); retf.
  rom.set([0xb8, 0x20, 0x00, 0xcb], 3);
  rom.set(word(PNP_HEADER), 0x1a);
  rom.set(pnpHeader(labels), PNP_HEADER);
  rom.set(bytes, CODE);
  rom[7] = checksumOf(rom);
  return rom;
}

/** Plug and Play BIOS Specification 1.0A §3.2. */
function pnpHeader(labels: ReadonlyMap<string, number>): Uint8Array {
  const header = new Uint8Array(PNP_BYTES);
  header.set([...'$PnP'].map((character) => character.charCodeAt(0)));
  header.set([1, PNP_BYTES / 16], 4);
  header.set(word(labels.get('manufacturer')!), 0x0e);
  header.set(word(labels.get('product')!), 0x10);
  // Device indicators: may be shadowed, read-cacheable, initial program load device.
  header[0x15] = 0x64;
  header.set(word(labels.get('bootstrap')!), 0x1a);
  header[9] = checksumOf(header);
  return header;
}
