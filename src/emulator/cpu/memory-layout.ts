/**
 * Where everything lies in the machine's one shared WebAssembly.Memory, as byte offsets. Plain integer constants only:
 * TypeScript and AssemblyScript both compile this file. "Page" is 4 KiB. The first page is never written: a pointer of 0 leads to zeros.
 */

export const PAGE_BITS = 12;
export const PAGE_BYTES = 4096;

/** Words that several threads or engines share; see GLOBAL_* below. */
export const GLOBALS = 0x1000;
/** Byte offset of guest RAM's first byte, and how many bytes lie below 4 GiB and above it, u32 each. */
export const GLOBAL_RAM_OFFSET = 0x1000;
export const GLOBAL_RAM_LOW_BYTES = 0x1004;
export const GLOBAL_RAM_HIGH_BYTES = 0x1008;
/** First byte of the code arena that has never been in use, u32. */
export const GLOBAL_CODE_ARENA_NEXT = 0x100c;
/** Counts emptyings of the code arena, u32. */
export const GLOBAL_CODE_ARENA_GENERATION = 0x1010;
/** First unit of the code arena that is free again, and how many there are, u32; each begins with the next one. So do these: */
export const GLOBAL_FREE_UNITS = 0x1018;
export const GLOBAL_FREE_UNIT_COUNT = 0x101c;
/** Units that will be free once no record is being executed, u32. */
export const GLOBAL_RETIRED_UNITS = 0x1020;
/** Free entry tables, u32. */
export const GLOBAL_FREE_ENTRY_TABLES = 0x1024;
/** ANDed to every physical address: clears bit 20 while A20 is off. u32. */
export const GLOBAL_A20_MASK = 0x1014;
/** Int32 that Atomics.wait/notify use to wake a halted machine thread; counts letters in the mailbox. */
export const GLOBAL_DOORBELL = 0x1080;

/** Per-CPU blocks, one after the other; their inside is in state-layout.ts. */
export const CPU_BLOCKS = 0x10000;
export const CPU_BLOCK_BYTES = 0x40000;
export const CPU_BLOCKS_MAX = 8;

/**
 * Jump caches, one after the other: JUMP_CACHE_ENTRIES of {u64 key: low 48 bits of RIP ^ one of JUMP_KEYS, u32 element of the table
 * of regions, u32 entry}. Index: 5 bits hashed from the number of the page, then 8 bits from the offset in it, so
 * that a page's entries lie together. That of a CPU is half as far from the first as its block is.
 */
export const JUMP_CACHES = 0x210000;
export const JUMP_CACHE_ENTRIES = 8192;
export const JUMP_CACHE_BYTES = 0x20000;
/** Entries that a page's code may have. */
export const JUMP_CACHE_PAGE_ENTRIES = 256;
export const JUMP_ELEMENT = 8;
export const JUMP_ENTRY = 12;
/** Elements of the table of regions: so many may be there at a time. */
export const REGION_ELEMENTS = 32768;

/**
 * Guest-physical page → where it lies: u32 per page, byte offset of the page in this memory | MAP_* bits. 0 is MMIO or
 * nothing. Covers physical addresses below PHYS_LIMIT.
 */
export const PHYS_MAP = 0x400000;
export const PHYS_MAP_PAGES = 0x180000;
/** The page can be read (and executed) directly. */
export const MAP_READABLE = 1;
/** The page can be written directly. */
export const MAP_WRITABLE = 2;

/** Page of this memory → first code page descriptor made from it (0 = none): u32 per page. */
export const CODE_PAGE_HEADS = 0xa00000;
/** Page of this memory → PAGE_HAS_… bits: u8 per page. */
export const PAGE_FLAGS = 0xe00000;
/** Decoded or translated code was made from this page: writes must go through the slow path. */
export const PAGE_HAS_CODE = 1;
/** CODE_PAGE_HEADS names a descriptor for the page, though all that was decoded may have been dropped again. */
export const PAGE_HAS_DESCRIPTOR = 2;
/** The page's contents are still in the file of a saved state: the board loads them before they are read or written. */
export const PAGE_ABSENT = 4;
/** The page is as it was saved last: the board is told before it changes. */
export const PAGE_CLEAN = 8;

/** Devices' own buffers that I/O reads and writes. */
export const STAGING = 0x1000000;
export const STAGING_BYTES = 0x2f0000;
/** Frames between network adapters and their networks: for each adapter a ring of what it sends, then one of what it receives. */
export const NETWORK_RINGS = 0x12f0000;
export const NETWORK_RING_BYTES = 0x81000;
export const NETWORK_ADAPTERS_MAX = 4;
/** The display adapter's register block. */
export const DISPLAY_REGISTERS = 0x1700000;
export const DISPLAY_REGISTERS_BYTES = 0x10000;
export const VIDEO_MEMORY = 0x1800000;
export const VIDEO_MEMORY_BYTES = 0x1000000;
/** Firmware and option ROM images. */
export const ROM = 0x2800000;
export const ROM_BYTES = 0x400000;
/** Decoded instructions and code page descriptors, in units that are aligned to their size. How much of it is used depends on guest RAM. */
export const CODE_ARENA = 0x2c00000;
export const CODE_ARENA_BYTES = 0x4000000;
export const CODE_UNIT_BYTES = 1024;
/** Guest RAM, up to the end of the memory. */
export const GUEST_RAM = 0x7000000;

/** Guest RAM that may lie below the PCI hole; the rest begins at 4 GiB. */
export const RAM_LOW_LIMIT = 0xc0000000;

/** A code page descriptor: decoded instructions of one page of memory in one decoding mode. A unit of the code arena. */
/** Decoding mode (MODE_* bits that matter to decoding), u32. */
export const CODE_PAGE_MODE = 0;
/** Next descriptor of the same page, u32. */
export const CODE_PAGE_NEXT = 4;
/** Page number in this memory, u32. */
export const CODE_PAGE_NUMBER = 8;
/** First chunk of records, newest first, u32. A chunk is a unit: {next chunk u32, records used u32, descriptor u32, pad 4}, then records. */
export const CODE_PAGE_CHUNKS = 12;
/** One bit per byte of the page that decoded instructions cover: 512 bytes. */
export const CODE_PAGE_COVERED = 16;
/**
 * Entry tables by page offset / 64: 64 pointers, u32, 0 = nothing decoded in those bytes. A table has a record pointer for each
 * of its 64 offsets, u32, 0 = not decoded: most pages hold code in a few places only.
 */
export const CODE_PAGE_ENTRIES = 528;
export const ENTRY_TABLE_BITS = 6;
export const ENTRY_TABLE_BYTES = 256;
/** u32: whether translated regions contain code of this page in this mode. */
export const CODE_PAGE_REGIONS = 784;
export const CODE_PAGE_BYTES = 788;

export const CODE_CHUNK_USED = 4;
export const CODE_CHUNK_PAGE = 8;
export const CODE_CHUNK_HEADER_BYTES = 16;
/** Records in a chunk. */
export const CODE_CHUNK_RECORDS = 42;

/** A decoded instruction, 24 bytes, executed by the handler whose number it begins with. */
export const RECORD_BYTES = 24;
/** u16 handler number. */
export const RECORD_HANDLER = 0;
/** The handler that looks its instruction up again: what records of overwritten code are given. See interpreter/forms.ts. */
export const HANDLER_NUMBER_REFETCH = 1;
/** The handler that has its instruction decoded by itself: because its bytes lie in two pages, or near the limit of CS. */
export const HANDLER_NUMBER_CROSSING = 4;
/**
 * Gates: pseudo-records that stand in a code page's entries in front of the record at RECORD_LINK. They count executions
 * (RECORD_IMMEDIATE; RECORD_DISPLACEMENT is the descriptor), lead into a translated region (element and entry in the same
 * fields, MODE in RECORD_A), or do neither any more.
 */
export const HANDLER_NUMBER_COUNT = 9;
export const HANDLER_NUMBER_REGION = 10;
export const HANDLER_NUMBER_COLD = 11;
/** u16 offset of the instruction's first byte in its page. */
export const RECORD_IP = 2;
/** u8 instructions from this one to the end of its block, itself included. Pseudo-records count 0 themselves. */
export const RECORD_REMAINING = 4;
/** u8 length of the instruction in bytes. */
export const RECORD_LENGTH = 5;
/** u8 operand fields: byte offsets of general registers in the CPU block, or other register numbers. */
export const RECORD_A = 6;
export const RECORD_B = 7;
/** u8 address: base and index as 8-byte slots of the CPU block (SLOT_ZERO when absent). */
export const RECORD_BASE = 8;
export const RECORD_INDEX = 9;
/** u8: bits 0–1 log2 of the scale, bits 2–3 address size (0: 16, 1: 32, 2: 64 bits). */
export const RECORD_SCALE = 10;
/** u8: segment register number 0–5. Bit 7: REX or other prefix facts a helper needs; see decoder. */
export const RECORD_SEGMENT = 11;
/** i32 displacement. */
export const RECORD_DISPLACEMENT = 12;
/** i64 immediate; or i32 branch target as an offset from the page's first byte, then u32 link to its record. */
export const RECORD_IMMEDIATE = 16;
export const RECORD_LINK = 20;
