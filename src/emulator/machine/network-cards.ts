/** The machine's network adapters: which card each is, and where on the board it sits. Guests name them by it. */
import { ISA_ADAPTER_PLACES } from '../../shared/isa-adapter-places.ts';
import type { AdapterModel } from '../../shared/network-config.ts';
import { E1000 } from '../devices/e1000/e1000.ts';
import { NE2000_PORTS } from '../devices/ne2000/dp8390.ts';
import { Ne2000Isa, Rtl8029 } from '../devices/ne2000/ne2000.ts';
import { Pcnet } from '../devices/pcnet/pcnet.ts';
import type { PciBus } from '../devices/pci/pci.ts';
import { Rtl8139 } from '../devices/rtl8139.ts';
import { VirtioNet } from '../devices/virtio/virtio-net.ts';
import { pciBootPath } from '../firmware/firmware-items.ts';
import { networkRomFor } from '../firmware/network-rom.ts';
import type { PortBus } from '../interfaces/bus.ts';
import type { Clock } from '../interfaces/clock.ts';
import type { Device } from '../interfaces/device.ts';
import type { GuestMemory } from '../interfaces/guest-memory.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import type { NetworkLink } from '../interfaces/network.ts';
import type { PciFunction } from '../interfaces/pci.ts';
import type { IsaInterrupts } from './isa-interrupts.ts';
import { PCI_NETWORK_SLOTS, PCI_SUBSYSTEM } from './pc-layout.ts';
import type { RomImages } from './rom-images.ts';

/** A network adapter and the cable that it is plugged into. */
export interface AttachedAdapter {
  readonly model: AdapterModel;
  readonly mac: string;
  readonly link: NetworkLink;
  /** The cable is plugged in, as where nothing is said. */
  readonly connected?: boolean;
  /** An image that boots by this kind of card, where the machine is to start from the network by it. */
  readonly bootRom?: Uint8Array | undefined;
}

export interface NetworkCard extends Device {
  setLink(isUp: boolean): void;
}

export interface NetworkBoard {
  readonly memory: GuestMemory;
  readonly clock: Clock;
  readonly log: DeviceLog;
  readonly pci: PciBus;
  readonly ports: PortBus;
  readonly isa: IsaInterrupts;
  readonly roms: RomImages;
}

/** In the order of `adapters`; a card of the ISA bus leaves its PCI slot empty. `undefined` where there are more than places. */
export function plugNetworkCards(adapters: readonly AttachedAdapter[], board: NetworkBoard): NetworkCard[] | undefined {
  const cards: NetworkCard[] = [];
  /** Cards of a kind can share what is in their sockets. */
  const romsByModel = new Map<AdapterModel, PciFunction['expansionRom']>();
  let isaCards = 0;
  for (const [index, adapter] of adapters.entries()) {
    const { memory, clock, log } = board;
    const options = { id: `network${index}`, memory, clock, log, mac: Uint8Array.from(adapter.mac.split(':'), (byte) => parseInt(byte, 16)), link: adapter.link };
    if (adapter.model === 'ne2000-isa') {
      const place = ISA_ADAPTER_PLACES[isaCards++];
      if (place === undefined) return undefined;
      const card = new Ne2000Isa({ ...options, interrupt: board.isa.line(place.irq, `${options.id}.irq`) });
      board.ports.claim(options.id, place.base, NE2000_PORTS, card.ports);
      cards.push(card);
    } else {
      const slot = PCI_NETWORK_SLOTS[index];
      if (slot === undefined) return undefined;
      const card = pciCard(adapter.model, { ...options, subsystemVendorId: PCI_SUBSYSTEM.vendorId, subsystemId: PCI_SUBSYSTEM.deviceId });
      if (adapter.bootRom !== undefined && !romsByModel.has(adapter.model)) romsByModel.set(adapter.model, placeRom(adapter.bootRom, card, board.roms));
      board.pci.plug(slot, 0, card, adapter.bootRom === undefined ? undefined : romsByModel.get(adapter.model));
      cards.push(card);
    }
    cards.at(-1)!.setLink(adapter.connected ?? true);
  }
  return cards;
}

/** Firmware paths of the cards that can be booted by, in order. */
export function networkBootPaths(adapters: readonly AttachedAdapter[]): string[] {
  return adapters.flatMap(({ bootRom }, index) => (bootRom === undefined ? [] : [pciBootPath(PCI_NETWORK_SLOTS[index]!, 'ethernet')]));
}

function placeRom(image: Uint8Array, card: PciFunction, roms: RomImages): PciFunction['expansionRom'] {
  const rom = networkRomFor(image, card);
  if (rom === undefined) return undefined;
  const { offset, length } = roms.placeAsExpansionRom(rom);
  return { memoryOffset: offset, length };
}

type CardOptions = ConstructorParameters<typeof VirtioNet>[0] & ConstructorParameters<typeof E1000>[0];

function pciCard(model: Exclude<AdapterModel, 'ne2000-isa'>, options: CardOptions): PciFunction & NetworkCard {
  switch (model) {
    case 'virtio': return new VirtioNet(options);
    case 'e1000': return new E1000(options);
    case 'rtl8139': return new Rtl8139(options);
    case 'pcnet': return new Pcnet(options);
    case 'ne2000-pci': return new Rtl8029(options);
  }
}
