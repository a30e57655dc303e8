/** The board's own devices in AML: what a guest can't find by asking the PCI bus. */
import type { AddressRange } from '../machine/pc-layout.ts';
import {
  APM, COM1, COM2, DEBUG_CONSOLE, ELCR, FW_CFG_PORTS, IOAPIC_REGISTERS, IRQ_COM1, IRQ_COM2, IRQ_KEYBOARD, IRQ_MOUSE, IRQ_RTC,
  IRQ_SCI, LOCAL_APIC_REGISTERS, PCI_CONFIG_ADDRESS, PCI_CONFIG_DATA, PCI_SLOTS, pciMemoryWindow, pirqOfSlot, PIRQ_POSSIBLE_IRQS,
  PIRQ_ROUTE_REGISTERS, POWER_MANAGEMENT, PS2_COMMAND, PS2_DATA, RTC, SLEEP_TYPE_SOFT_OFF, SMBUS, SYSTEM_CONTROL_A, VGA_WINDOW,
} from '../machine/pc-layout.ts';
import type { Aml } from './aml.ts';
import {
  and, ARG0, busWindow, byteFields, createDwordField, device, eisaId, fixedMemory, ifElse, integer, interrupt,
  INTERRUPT_NUMBER_OFFSET, ioPorts, ioWindow, isaIrq, memoryWindow, method, name, or, package_, path, pciConfigRegion, processor,
  resources, return_, scope, store, text, ZERO,
} from './aml.ts';
import type { BoardDescription } from './board-description.ts';

const PCI_SLOT_COUNT = 32;
const INTX_PINS = [1, 2, 3, 4] as const;
const LINKS = ['LNKA', 'LNKB', 'LNKC', 'LNKD'] as const;
const ROUTES = ['PRQA', 'PRQB', 'PRQC', 'PRQD'] as const;
const ISA_BRIDGE = '\\_SB.PCI0.ISA';
/** PIIX3 PIRQ route register: not routed. */
const ROUTE_DISABLED = 0x80;
const ROUTE_IRQ = 0x0f;
const STATUS_PRESENT_DISABLED = 0x09;
const STATUS_PRESENT_ENABLED = 0x0b;

/** AML of the DSDT, without the table's header. */
export function dsdtTerms(board: BoardDescription): Aml {
  return [
    ...scope('\\_SB',
      device('PCI0',
        name('_HID', eisaId('PNP0A03')),
        name('_UID', ZERO),
        name('_CRS', rootBridgeResources(board)),
        name('_PRT', interruptRoutes()),
        isaBridge(board),
        motherboardResources()),
      ...LINKS.map((link, pirq) => interruptLink(link, pirq)),
      ...Array.from({ length: board.cpuCount }, (_, id) => processor(`CP${id.toString(16).toUpperCase().padStart(2, '0')}`, id))),
    ...name('\\_S5', package_(integer(SLEEP_TYPE_SOFT_OFF), integer(SLEEP_TYPE_SOFT_OFF), ZERO, ZERO)),
  ];
}

function ports(range: AddressRange): Aml {
  return ioPorts(range.base, range.length);
}

function lastOf(range: AddressRange): number {
  return range.base + range.length - 1;
}

function rootBridgeResources(board: BoardDescription): Aml {
  const memory = pciMemoryWindow(board.ramBytes);
  return resources(
    busWindow(0, 0xff),
    ioPorts(PCI_CONFIG_ADDRESS.base, PCI_CONFIG_ADDRESS.length + PCI_CONFIG_DATA.length),
    ioWindow(0, PCI_CONFIG_ADDRESS.base - 1),
    ioWindow(lastOf(PCI_CONFIG_DATA) + 1, 0xffff),
    memoryWindow(VGA_WINDOW.base, lastOf(VGA_WINDOW), true),
    memoryWindow(memory.base, lastOf(memory), false));
}

/** _PRT (ACPI 6.5 §6.2.13): the same in PIC and APIC mode, since the I/O APIC hangs on the same routed lines. */
function interruptRoutes(): Aml {
  const routes: Aml[] = [];
  for (let slot = 0; slot < PCI_SLOT_COUNT; slot++) {
    for (const pin of INTX_PINS) {
      const address = integer(slot * 0x10000 + 0xffff);
      // The power management function's INTA# is the SCI, whatever the links say.
      const hardWired = slot === PCI_SLOTS.powerManagement.slot && pin === 1;
      routes.push(hardWired
        ? package_(address, integer(pin - 1), ZERO, integer(IRQ_SCI))
        : package_(address, integer(pin - 1), path(LINKS[pirqOfSlot(slot, pin)]), ZERO));
    }
  }
  return package_(...routes);
}

function interruptLink(link: string, pirq: number): Aml {
  const route = path(`${ISA_BRIDGE}.${ROUTES[pirq]!}`);
  const disabled = and(route, integer(ROUTE_DISABLED));
  return device(link,
    name('_HID', eisaId('PNP0C0F')),
    name('_UID', integer(pirq + 1)),
    name('_PRS', resources(interrupt(...PIRQ_POSSIBLE_IRQS))),
    method('_STA', 0, ifElse(disabled, return_(integer(STATUS_PRESENT_DISABLED)), return_(integer(STATUS_PRESENT_ENABLED)))),
    method('_DIS', 0, or(route, integer(ROUTE_DISABLED), route)),
    method('_CRS', 0,
      name('CRSB', resources(interrupt(0))),
      createDwordField(path('CRSB'), INTERRUPT_NUMBER_OFFSET, 'IRQN'),
      ifElse(disabled, store(ZERO, path('IRQN')), and(route, integer(ROUTE_IRQ), path('IRQN'))),
      return_(path('CRSB'))),
    method('_SRS', 1,
      createDwordField(ARG0, INTERRUPT_NUMBER_OFFSET, 'IRQN'),
      store(path('IRQN'), route)));
}

function isaBridge(board: BoardDescription): Aml {
  const { slot, function: functionNumber } = PCI_SLOTS.isaBridge;
  return device('ISA',
    name('_ADR', integer(slot * 0x10000 + functionNumber)),
    pciConfigRegion('PIRQ', PIRQ_ROUTE_REGISTERS, ROUTES.length),
    byteFields('PIRQ', ...ROUTES),
    isaDevice('KBD', 'PNP0303', ports(PS2_DATA), ports(PS2_COMMAND), isaIrq(IRQ_KEYBOARD)),
    isaDevice('MOU', 'PNP0F13', isaIrq(IRQ_MOUSE)),
    isaDevice('RTC', 'PNP0B00', ports(RTC), isaIrq(IRQ_RTC)),
    serialPort('COM1', 1, COM1, IRQ_COM1),
    board.hasCom2 ? serialPort('COM2', 2, COM2, IRQ_COM2) : [],
    device('FWCF', name('_HID', text('QEMU0002')), name('_STA', integer(STATUS_PRESENT_ENABLED)), name('_CRS', resources(ports(FW_CFG_PORTS)))));
}

function isaDevice(of: string, id: string, ...descriptors: Aml[]): Aml {
  return device(of, name('_HID', eisaId(id)), name('_CRS', resources(...descriptors)));
}

function serialPort(of: string, uid: number, range: AddressRange, irq: number): Aml {
  return device(of, name('_HID', eisaId('PNP0501')), name('_UID', integer(uid)), name('_CRS', resources(ports(range), isaIrq(irq))));
}

/** PNP0C02: what a guest must not hand out to cards. */
function motherboardResources(): Aml {
  return device('MRES',
    name('_HID', eisaId('PNP0C02')),
    name('_CRS', resources(
      ports(SYSTEM_CONTROL_A), ports(APM), ports(ELCR), ports(DEBUG_CONSOLE), ports(POWER_MANAGEMENT), ports(SMBUS),
      fixedMemory(IOAPIC_REGISTERS.base, IOAPIC_REGISTERS.length),
      fixedMemory(LOCAL_APIC_REGISTERS.base, LOCAL_APIC_REGISTERS.length))));
}
