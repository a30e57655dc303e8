/** Jumpers of NE2000 cards on the ISA bus, in the order of the machine's configuration: as the first came from Novell, then what drivers look for. */
export const ISA_ADAPTER_PLACES: readonly { readonly base: number; readonly irq: number }[] = [{ base: 0x300, irq: 3 }, { base: 0x320, irq: 5 }, { base: 0x340, irq: 7 }];
