/** What the runtime calls outside WebAssembly. Each call costs a change of world, so all of it is rare. */

@external("board", "ioRead")
export declare function ioRead(port: u32, width: i32): u32;
@external("board", "ioWrite")
export declare function ioWrite(port: u32, width: i32, value: u32): void;
/** Bytes transferred to or from `memoryOffset`; 0 when the port has no block handler. */
@external("board", "ioReadBlock")
export declare function ioReadBlock(port: u32, width: i32, memoryOffset: u32, bytes: u32): u32;
@external("board", "ioWriteBlock")
export declare function ioWriteBlock(port: u32, width: i32, memoryOffset: u32, bytes: u32): u32;
@external("board", "mmioRead")
export declare function mmioRead(physicalLow: u32, physicalHigh: u32, width: i32): u32;
@external("board", "mmioWrite")
export declare function mmioWrite(physicalLow: u32, physicalHigh: u32, width: i32, value: u32): void;
/** A page with PAGE_ABSENT is touched, or one with PAGE_CLEAN is about to change; `memoryOffset` lies in it. */
@external("board", "pageTouched")
export declare function pageTouched(memoryOffset: u32): void;
@external("board", "pageChanges")
export declare function pageChanges(memoryOffset: u32): void;
/** Decodes at `pageOffset` of a code page and enters the records in its table. Returns the record, never 0. */
@external("board", "decodeBlock")
export declare function decodeBlock(descriptor: u32, pageOffset: u32): u32;
/** A gate in front of the decoded instruction at `pageOffset` of a code page. */
@external("board", "makeGate")
export declare function makeGate(descriptor: u32, pageOffset: u32): u32;
/** All that was decoded of a code page is gone, and so must be the regions made of it. 0: of all code pages. */
@external("board", "regionsDropped")
export declare function regionsDropped(descriptor: u32): void;
/** Reads RAX and RCX, writes RAX, RBX, RCX and RDX. */
@external("board", "cpuid")
export declare function cpuid(): void;
/** Writes the host's idea of the counter, u64, to ARGUMENTS. */
@external("board", "timeStampCounter")
export declare function timeStampCounter(): void;
/** The pin FERR#: 1 asserted, 0 not. */
@external("board", "coprocessorError")
export declare function coprocessorError(asserted: i32): void;
@external("board", "getTaskPriority")
export declare function getTaskPriority(): u32;
@external("board", "setTaskPriority")
export declare function setTaskPriority(priority: u32): void;
/** IA32_APIC_BASE and IA32_TSC_DEADLINE, u64 in ARGUMENTS. */
@external("board", "apicMsrRead")
export declare function apicMsrRead(index: u32): void;
@external("board", "apicMsrWrite")
export declare function apicMsrWrite(index: u32): void;
