/**
 * The board: constructs every chip and wires them, one paragraph each. Addresses, ports, IRQs and rates are pc-layout's;
 * what a chip does is its own file's.
 */
import { keysForText } from '../../shared/keyboard-text.ts';
import type { Result } from '../../shared/result.ts';
import type { KeyChange, VmStart } from '../../shared/vm-protocol.ts';
import {
  CPU_BLOCKS, DISPLAY_REGISTERS, DISPLAY_REGISTERS_BYTES, GLOBAL_RAM_HIGH_BYTES, GLOBAL_RAM_LOW_BYTES, GLOBAL_RAM_OFFSET, GUEST_RAM,
  PHYS_MAP, PHYS_MAP_PAGES, VIDEO_MEMORY, VIDEO_MEMORY_BYTES,
} from '../cpu/memory-layout.ts';
import { EFLAGS_REST } from '../cpu/state-layout.ts';
import { EFLAGS_IF } from '../cpu/arch.ts';
import { AcpiPm } from '../devices/acpi-pm.ts';
import { ApicBus } from '../devices/apic-bus.ts';
import { CoprocessorError } from '../devices/coprocessor-error.ts';
import { DebugPort } from '../devices/debug-port.ts';
import { Dma8237Pair } from '../devices/dma.ts';
import { FwCfg } from '../devices/fw-cfg.ts';
import { I440fx } from '../devices/i440fx.ts';
import { Ich9Ahci } from '../devices/ata/ahci.ts';
import { AtaDisk } from '../devices/ata/ata-disk.ts';
import { AtapiDrive } from '../devices/ata/atapi-drive.ts';
import { Piix3Ide } from '../devices/ata/ide.ts';
import type { IdeDrive } from '../devices/ata/ide-drive.ts';
import { IoApic82093AA } from '../devices/ioapic.ts';
import { LocalApic } from '../devices/lapic.ts';
import { PciBus } from '../devices/pci/pci.ts';
import { Pic8259 } from '../devices/pic.ts';
import { Piix3 } from '../devices/piix3.ts';
import { Piix4Pm } from '../devices/piix4-pm.ts';
import { Pit8254 } from '../devices/pit.ts';
import { Port92 } from '../devices/port92.ts';
import { Ps2Controller8042 } from '../devices/ps2/ps2-controller.ts';
import { Rtc146818 } from '../devices/rtc.ts';
import { SystemControlPort } from '../devices/system-control.ts';
import { Uart16550A } from '../devices/uart.ts';
import { StdVga } from '../devices/vga/vga.ts';
import { VirtioBlock } from '../devices/virtio/virtio-block.ts';
import { VirtioConsole } from '../devices/virtio/virtio-console.ts';
import { VirtioEntropy } from '../devices/virtio/virtio-entropy.ts';
import { firmwareItems } from '../firmware/firmware-items.ts';
import { planLinuxBoot, type LinuxBootPlan } from '../firmware/linux-boot.ts';
import type { Accelerator, CpuBoard } from '../interfaces/accelerator.ts';
import type { BlockBackend } from '../interfaces/block-backend.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { CharacterChannel, EntropySource } from '../interfaces/character-channel.ts';
import type { Clock } from '../interfaces/clock.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import type { PciFunction } from '../interfaces/pci.ts';
import { assignDriveBays, driveSerial, type AttachedDisk, type DriveBays } from './drive-bays.ts';
import { invariant } from './invariant.ts';
import { SharedGuestMemory, type PageWatcher } from './guest-memory.ts';
import { IsaInterrupts } from './isa-interrupts.ts';
import { KeyTypist } from './key-typist.ts';
import type { MachineEnd } from './machine-loop.ts';
import { PhysicalMemoryBus } from './mmio-bus.ts';
import { MovableWindow } from './movable-window.ts';
import { networkBootPaths, plugNetworkCards, type AttachedAdapter, type NetworkCard } from './network-cards.ts';
import * as layout from './pc-layout.ts';
import { IoPortBus } from './port-bus.ts';
import { RomImages } from './rom-images.ts';
import { ShadowMemory } from './shadow-memory.ts';

/** The machine can't be built as it was asked for: the user's mistake, not ours. */
export class BoardError extends Error {
  readonly code: string;
  readonly advice: string;

  constructor(code: string, message: string, advice: string) {
    super(message);
    this.code = code;
    this.advice = advice;
  }
}

export interface PcOptions {
  /** The machine's shared memory, laid out as `cpu/memory-layout.ts` says, with `ramBytes` of guest RAM at its end. */
  readonly shared: ArrayBufferLike;
  readonly ramBytes: number;
  readonly name: string;
  readonly clock: Clock;
  readonly log: DeviceLog;
  /** Ends at 4 GiB and at 1 MiB. */
  readonly firmware: Uint8Array;
  readonly videoFirmware: Uint8Array | undefined;
  readonly directBoot: { readonly files: () => { readonly kernel: Uint8Array; readonly initrd: Uint8Array | undefined }; readonly commandLine: string } | undefined;
  /** The machine goes on from a saved state: what only a boot needs is made when the guest boots. */
  readonly isResumed: boolean;
  readonly disks: readonly AttachedDisk[];
  readonly bootOrder: VmStart['bootOrder'];
  readonly adapters: readonly AttachedAdapter[];
  /** COM1's other end. */
  readonly serial: CharacterChannel;
  /** The virtio console's other end: the guest's hvc0. */
  readonly virtioConsole: CharacterChannel;
  readonly entropy: EntropySource;
  /** Guards RAM whose contents are in a file, or go into one. */
  readonly pageWatcher?: PageWatcher | undefined;
  readonly exitPort: number | undefined;
  readonly debugPort: number | undefined;
  readonly debugOutput: (byte: number) => void;
  readonly createAccelerator: (board: CpuBoard) => Accelerator;
  readonly requestReset: () => void;
  readonly requestEnd: (end: MachineEnd) => void;
  /** The guest opened the tray of the drive that is disk `drive`. */
  readonly discEjected?: (drive: number) => void;
}

/** A part of the machine's state. */
export interface SavedPart {
  readonly id: string;
  readonly version: number;
  readonly state: unknown;
}

interface SavedBoard {
  readonly instructionsBefore: number;
  readonly waitingKeys: readonly KeyChange[];
}

const BOARD_VERSION = 1;
const CPU_VERSION = 1;

const CPU_COUNT = 1;
const SUBSYSTEM = { subsystemVendorId: layout.PCI_SUBSYSTEM.vendorId, subsystemId: layout.PCI_SUBSYSTEM.deviceId };

export class Pc {
  readonly accelerator: Accelerator;
  readonly ports: IoPortBus;
  readonly physical: PhysicalMemoryBus;
  readonly memory: SharedGuestMemory;
  readonly #options: PcOptions;
  readonly #view: DataView;
  /** In the order in which they are reset: bus and bridges first, interrupt controllers last. */
  readonly #devices: Device[] = [];
  /** Who lets address bit 20 through. */
  readonly #a20 = { port92: false, keyboard: true };
  readonly #acpi: AcpiPm;
  readonly #lapic: LocalApic;
  readonly #ps2: Ps2Controller8042;
  readonly #typist: KeyTypist;
  readonly #rtc: Rtc146818;
  /** By their order among the disks. */
  readonly #discDrives = new Map<number, AtapiDrive>();
  readonly #adapters: readonly NetworkCard[];
  /** Instructions that the accelerator doesn't count any more since a reset. */
  #instructionsBefore = 0;

  constructor(options: PcOptions) {
    this.#options = options;
    const { shared, clock, log, ramBytes } = options;
    this.#view = new DataView(shared);
    const bytes = new Uint8Array(shared);
    const codeChanged = (memoryOffset: number, length: number): void => this.accelerator?.codeChanged(memoryOffset, length);
    this.ports = new IoPortBus(log);
    this.physical = new PhysicalMemoryBus(new Uint32Array(shared, PHYS_MAP, PHYS_MAP_PAGES), () => this.accelerator?.mappingChanged(), log);
    this.memory = new SharedGuestMemory(shared, ramBytes, codeChanged, options.pageWatcher);

    // RAM: below the VGA window, from 1 MiB up to the PCI hole, and the rest from 4 GiB. The 384 KiB in between exist
    // too: the host bridge lets parts of them through as shadow memory.
    const lowBytes = layout.lowRamBytes(ramBytes);
    const shadowEnd = layout.SHADOW_AREA.base + layout.SHADOW_AREA.length;
    this.physical.mapDirect('ram', 0, Math.min(lowBytes, layout.VGA_WINDOW.base), GUEST_RAM, 'read-write');
    if (lowBytes > shadowEnd) this.physical.mapDirect('ram', shadowEnd, lowBytes - shadowEnd, GUEST_RAM + shadowEnd, 'read-write');
    if (ramBytes > lowBytes) this.physical.mapDirect('ram.high', layout.RAM_HIGH_BASE, ramBytes - lowBytes, GUEST_RAM + lowBytes, 'read-write');
    this.#view.setUint32(GLOBAL_RAM_OFFSET, GUEST_RAM, true);
    this.#view.setUint32(GLOBAL_RAM_LOW_BYTES, lowBytes, true);
    this.#view.setUint32(GLOBAL_RAM_HIGH_BYTES, ramBytes - lowBytes, true);

    // Firmware: the image ends at 4 GiB, where the CPU starts, and its last 128 KiB appear below 1 MiB as well.
    if (options.firmware.length > layout.BIOS_MAXIMUM_BYTES) {
      throw new BoardError('firmware.too-large', 'the firmware image is larger than 256 KiB', 'use SeaBIOS or another BIOS image');
    }
    const roms = new RomImages(bytes);
    const firmware = roms.placeAtEnd(options.firmware);
    this.physical.mapDirect('firmware', layout.BIOS_HIGH_END - firmware.length, firmware.length, firmware.offset, 'read-only');
    const shadow = new ShadowMemory(this.physical, bytes, firmware, codeChanged);

    // Interrupts: each ISA wire leads to its PIC input and to its I/O APIC pin, the timer's to pin 2. The PICs' output
    // reaches the CPU through LINT0 of its local APIC, and the I/O APIC's pin 0.
    const apicBus = new ApicBus();
    const slave: Pic8259 = new Pic8259({ id: 'pic-slave', levelTriggerable: 0xde, output: { label: 'pic-slave.int -> pic.ir2', set: (high) => master.inputs[layout.IRQ_CASCADE]!.set(high) } });
    const master: Pic8259 = new Pic8259({
      id: 'pic', levelTriggerable: 0xf8, slaveAt: (input) => (input === layout.IRQ_CASCADE ? slave : undefined),
      output: { label: 'pic.int -> lapic0.lint0, ioapic.intin0', set: (high) => {
        lapic.lint0.set(high);
        ioapic.inputs[0]!.set(high);
      } },
    });
    const ioapic: IoApic82093AA = new IoApic82093AA({ id: 'ioapic', version: layout.IOAPIC_VERSION, deliver: (message) => apicBus.send(message) });
    const lapicWindow = new MovableWindow(this.physical, 'lapic0', layout.LOCAL_APIC_REGISTERS.length, () => lapic.registers, log);
    const lapic: LocalApic = new LocalApic({
      id: 'lapic0', clock, apicId: 0, bootstrap: true, pic: master,
      send: (message, shorthand, from) => apicBus.send(message, shorthand, from),
      eoiBroadcast: (vector) => ioapic.endOfInterrupt(vector),
      nmi: () => this.accelerator?.nmi(),
      // The only CPU is the one that started the machine: INIT makes it start over, and it never waits for a start-up message.
      init: options.requestReset,
      startup: () => {},
      tscToNanos: (tsc) => Number(tsc),
      baseChanged: (physical, enabled) => lapicWindow.move(enabled ? physical : undefined),
    });
    apicBus.attach(lapic);
    this.physical.claim('ioapic', layout.IOAPIC_REGISTERS.base, layout.IOAPIC_REGISTERS.length, ioapic.registers);
    this.ports.claim('pic', layout.PIC_MASTER.base, layout.PIC_MASTER.length, master.ports);
    this.ports.claim('pic-slave', layout.PIC_SLAVE.base, layout.PIC_SLAVE.length, slave.ports);
    this.ports.claim('pic.elcr', layout.ELCR.base, 1, master.elcr);
    this.ports.claim('pic-slave.elcr', layout.ELCR.base + 1, 1, slave.elcr);
    const isa = new IsaInterrupts(Array.from({ length: 16 }, (_, irq) => {
      if (irq === layout.IRQ_CASCADE) return [];
      const pin = irq === layout.IRQ_TIMER ? layout.IOAPIC_PIN_TIMER : irq;
      return [irq < 8 ? master.inputs[irq]! : slave.inputs[irq - 8]!, ioapic.inputs[pin]!];
    }));

    // Timer: counter 0 is IRQ 0, counter 2 hangs on port 0x61 with the speaker.
    const pit = new Pit8254({ id: 'pit', clock, outputs: [isa.line(layout.IRQ_TIMER, 'pit.out0'), undefined, undefined] });
    this.ports.claim('pit', layout.PIT.base, layout.PIT.length, pit.ports);
    const systemControl = new SystemControlPort({ id: 'system-control', clock, timer2: { setGate: (high) => pit.setGate(2, high), output: () => pit.output(2) } });
    this.ports.claim('system-control', layout.SYSTEM_CONTROL_B.base, 1, systemControl.ports);

    // The processor's x87 errors, for systems that want them as IRQ 13.
    const coprocessorError = new CoprocessorError({
      id: 'coprocessor-error', interrupt: isa.line(layout.IRQ_COPROCESSOR, 'coprocessor-error.irq'), ignoreErrors: (asserted) => this.accelerator?.ignoreNumericErrors(asserted),
    });
    this.ports.claim('coprocessor-error', layout.FERR.base, layout.FERR.length, coprocessorError.ports);

    // DMA controllers: nothing of the board uses their channels yet, but firmware sets them up. The page registers lie
    // around port 0x80, where POST codes and delays are written.
    const dma = new Dma8237Pair({ id: 'dma', memory: this.memory });
    this.ports.claim('dma.master', layout.DMA_MASTER.base, layout.DMA_MASTER.length, dma.first);
    this.ports.claim('dma.slave', layout.DMA_SLAVE.base, layout.DMA_SLAVE.length, dma.second);
    this.ports.claim('dma.pages', layout.DMA_PAGES.base, layout.DMA_PAGES.length, dma.pages);

    // Real-time clock, with what the firmware wants to know in its RAM.
    const rtc = new Rtc146818({ id: 'rtc', clock, interrupt: isa.line(layout.IRQ_RTC, 'rtc.irq'), contents: layout.cmosContents(ramBytes, CPU_COUNT) });
    this.ports.claim('rtc', layout.RTC.base, layout.RTC.length, rtc.ports);
    this.#rtc = rtc;

    // Serial port COM1.
    const com1 = new Uart16550A({ id: 'com1', clock, interrupt: isa.line(layout.IRQ_COM1, 'com1.int'), channel: options.serial });
    this.ports.claim('com1', layout.COM1.base, layout.COM1.length, com1.ports);

    // Keyboard and mouse. The controller's output port also gates A20 and resets.
    const ps2 = new Ps2Controller8042({
      id: 'ps2', log,
      keyboardInterrupt: isa.line(layout.IRQ_KEYBOARD, 'ps2.keyboard'),
      mouseInterrupt: isa.line(layout.IRQ_MOUSE, 'ps2.mouse'),
      a20Changed: (enabled) => this.#gateA20('keyboard', enabled),
      resetCpu: options.requestReset,
    });
    this.ports.claim('ps2.data', layout.PS2_DATA.base, layout.PS2_DATA.length, ps2.data);
    this.ports.claim('ps2.command', layout.PS2_COMMAND.base, layout.PS2_COMMAND.length, ps2.command);
    this.#ps2 = ps2;
    this.#typist = new KeyTypist(clock, ps2.keyboard);

    // A20 and the fast reset. Both the keyboard controller and port 0x92 can let address bit 20 through.
    const port92 = new Port92({ id: 'port92', a20Changed: (enabled) => this.#gateA20('port92', enabled), initCpu: options.requestReset });
    this.ports.claim('port92', layout.SYSTEM_CONTROL_A.base, 1, port92.ports);

    // PCI: host bridge, ISA bridge.
    const hostBridge = new I440fx({ id: 'i440fx', revision: layout.PCI_IDS.hostBridge.revision, ...SUBSYSTEM, shadowChanged: (region) => shadow.set(region) });
    const isaBridge = new Piix3({
      id: 'piix3', revision: layout.PCI_IDS.isaBridge.revision, ...SUBSYSTEM,
      isaIrqs: Array.from({ length: 16 }, (_, irq) => (UNROUTABLE_IRQS.includes(irq) ? undefined : isa.line(irq, 'piix3.pirq'))),
      resetRequested: options.requestReset,
    });
    const pci = new PciBus({
      id: 'pci', ports: this.ports, memory: this.physical, pirqs: isaBridge.pirqs, pirqOf: layout.pirqOfSlot, resetControl: isaBridge.resetControl, log,
    });
    this.ports.claim('pci.config', layout.PCI_CONFIG_ADDRESS.base, layout.PCI_CONFIG_ADDRESS.length + layout.PCI_CONFIG_DATA.length, pci.configPorts);
    const plug = (place: { slot: number; function: number }, card: PciFunction): void => pci.plug(place.slot, place.function, card);
    plug(layout.PCI_SLOTS.hostBridge, hostBridge);
    plug(layout.PCI_SLOTS.isaBridge, isaBridge);

    // Power management: the ACPI registers appear where the PIIX4's function maps them. The SCI is hard-wired.
    const acpi = new AcpiPm({
      id: 'acpi', clock, log, sci: isa.line(layout.IRQ_SCI, 'acpi.sci'), timerBits: 24,
      enableCommand: layout.ACPI_ENABLE_COMMAND, disableCommand: layout.ACPI_DISABLE_COMMAND, softOffType: layout.SLEEP_TYPE_SOFT_OFF,
      powerOff: () => options.requestEnd({ reason: 'guest-power-off' }),
    });
    this.#acpi = acpi;
    this.ports.claim('acpi.apm', layout.APM.base, layout.APM.length, acpi.apm);
    const powerManagement = new Piix4Pm({
      id: 'piix4-pm', revision: layout.PCI_IDS.powerManagement.revision, ...SUBSYSTEM, ports: this.ports, acpi: acpi.ports, log,
      deviceActivityBReset: layout.SEABIOS_EXPECTATIONS.deviceActivityBReset,
    });
    plug(layout.PCI_SLOTS.powerManagement, powerManagement);

    // Display adapter: its registers and video memory lie in the shared memory, where the control thread looks at them.
    const videoRom = options.videoFirmware === undefined ? undefined : roms.placeAsExpansionRom(options.videoFirmware);
    const vga = new StdVga({
      id: 'vga', clock, sharedMemory: bytes,
      videoMemory: { offset: VIDEO_MEMORY, length: VIDEO_MEMORY_BYTES },
      registers: { offset: DISPLAY_REGISTERS, length: DISPLAY_REGISTERS_BYTES },
      ...(videoRom === undefined ? {} : { expansionRom: { memoryOffset: videoRom.offset, length: videoRom.length } }),
    });
    plug(layout.PCI_SLOTS.display, vga.pciFunction);
    this.ports.claim('vga', layout.VGA_REGISTERS.base, layout.VGA_REGISTERS.length, vga.ports);
    this.ports.claim('vga.dispi', layout.VBE_DISPI.base, layout.VBE_DISPI.length, vga.dispiPorts);
    this.physical.claim('vga.window', layout.VGA_WINDOW.base, layout.VGA_WINDOW.length, vga.aperture);

    // IDE disks and CD drives.
    const bays = assignDriveBays(options.disks, options.bootOrder, networkBootPaths(options.adapters));
    if (bays === undefined) throw new BoardError('machines.too-many-drives', 'there are more disks than the machine has places for', 'attach fewer');
    const ide = new Piix3Ide({
      id: 'ide', revision: layout.PCI_IDS.ide.revision, ...SUBSYSTEM, memory: this.memory,
      interrupts: [isa.line(layout.IRQ_IDE_PRIMARY, 'ide.primary'), isa.line(layout.IRQ_IDE_SECONDARY, 'ide.secondary')],
      drives: [this.#ideDrive(bays, 0, 0), this.#ideDrive(bays, 0, 1), this.#ideDrive(bays, 1, 0), this.#ideDrive(bays, 1, 1)],
    });
    plug(layout.PCI_SLOTS.ide, ide);
    const [primary, secondary] = ide.channels;
    this.ports.claim('ide.primary', layout.IDE_PRIMARY_COMMAND.base, layout.IDE_PRIMARY_COMMAND.length, primary.commandBlock);
    this.ports.claim('ide.primary', layout.IDE_PRIMARY_CONTROL.base, layout.IDE_PRIMARY_CONTROL.length, primary.controlBlock);
    this.ports.claim('ide.secondary', layout.IDE_SECONDARY_COMMAND.base, layout.IDE_SECONDARY_COMMAND.length, secondary.commandBlock);
    this.ports.claim('ide.secondary', layout.IDE_SECONDARY_CONTROL.base, layout.IDE_SECONDARY_CONTROL.length, secondary.controlBlock);

    // SATA disks and CD drives, where there are any: a board without them stays as it was.
    const ahci = bays.ahci.length === 0 ? undefined : new Ich9Ahci({
      id: 'ahci', ...SUBSYSTEM, memory: this.memory,
      drives: bays.ahci.map((disk, port) => ({ drive: this.#drive(`ahci.${port}`, disk), disk: disk.kind === 'disk' ? backendOf(disk) : undefined })),
    });
    if (ahci !== undefined) plug(layout.PCI_SLOTS.ahci, ahci);

    // Virtio cards: disks, entropy, and a console (guests find it as hvc0).
    const virtio = [
      { slot: layout.PCI_SLOTS.virtioConsole.slot, card: new VirtioConsole({ id: 'virtio-console', memory: this.memory, log, channel: options.virtioConsole }) },
      { slot: layout.PCI_SLOTS.virtioEntropy.slot, card: new VirtioEntropy({ id: 'virtio-entropy', memory: this.memory, log, entropy: options.entropy }) },
      ...bays.virtio.map(({ slot, disk }) => ({ slot, card: new VirtioBlock({ id: `virtio-block-${slot}`, memory: this.memory, log, backend: backendOf(disk) }) })),
    ];
    for (const { slot, card } of virtio) pci.plug(slot, 0, card);

    // Network adapters.
    const adapters = plugNetworkCards(options.adapters, { memory: this.memory, clock, log, pci, ports: this.ports, isa, roms });
    if (adapters === undefined) throw new BoardError('machines.too-many-adapters', 'there are more network adapters than the machine has places for', 'attach fewer');
    this.#adapters = adapters;

    // Firmware configuration: tables, boot order and a directly booted kernel.
    const fwCfg = new FwCfg({ id: 'fw-cfg', items: options.isResumed ? () => this.#laterFirmwareItems(bays.bootPaths) : this.#firmwareItems(bays.bootPaths, this.#bootPlan()), memory: this.memory });
    this.ports.claim('fw-cfg', layout.FW_CFG_PORTS.base, layout.FW_CFG_PORTS.length, fwCfg.ports);

    // Ports for scripts: one ends the machine, one is a log.
    if (options.debugPort !== undefined) {
      this.#claimUserPort('debug-port', options.debugPort, new DebugPort({ id: 'debug-port', emit: options.debugOutput }).ports);
    }
    if (options.exitPort !== undefined) {
      this.#claimUserPort('exit-port', options.exitPort, {
        read: (_offset, width) => 2 ** (8 * width) - 1,
        write: (_offset, _width, value) => options.requestEnd({ reason: 'exit-port', exitStatus: value & 0xff }),
      });
    }

    this.#devices.push(
      hostBridge, isaBridge, powerManagement, pci, ide, ...(ahci === undefined ? [] : [ahci]), ...virtio.map(({ card }) => card), ...adapters, vga, acpi, pit, systemControl, coprocessorError, dma, rtc, com1, ps2, port92, fwCfg, ioapic, slave, master,
    );
    this.#lapic = lapic;
    this.accelerator = options.createAccelerator(this.#cpuBoard(lapic, coprocessorError));
    this.#resetDevices('power-on');
  }

  /** Instructions since power-on, exact also while a chip asks in the middle of one. */
  get instructions(): number {
    return this.#instructionsBefore + (this.accelerator?.instructionsNow() ?? 0);
  }

  /** Resets every chip and the CPU. RAM keeps its contents. */
  reset(kind: ResetKind): void {
    const before = this.instructions;
    this.#typist.stop();
    this.#resetDevices(kind);
    this.accelerator.reset('power-on');
    this.#instructionsBefore = before - this.accelerator.instructionsNow();
  }

  /** The state of everything but memory and time, by parts. */
  save(): SavedPart[] {
    const devices = [this.#lapic, ...this.#devices].map((device): SavedPart => ({ id: device.id, version: device.savedVersion, state: device.save() }));
    return [
      { id: 'board', version: BOARD_VERSION, state: { instructionsBefore: this.#instructionsBefore, waitingKeys: this.#typist.save() } satisfies SavedBoard },
      { id: 'cpu0', version: CPU_VERSION, state: this.accelerator.save() },
      ...devices,
    ];
  }

  /**
   * Memory holds its saved contents and time stands at the saved moment before this is called. `part` gives the state that was
   * saved under an id and version, or throws where there is none. `secondsPassed`: how far the real-time clock has gone on meanwhile.
   */
  restore(part: (id: string, version: number) => unknown, secondsPassed: number): void {
    const { instructionsBefore, waitingKeys } = part('board', BOARD_VERSION) as SavedBoard;
    this.accelerator.restore(part('cpu0', CPU_VERSION));
    this.#instructionsBefore = instructionsBefore;
    for (const device of [this.#lapic, ...this.#devices]) device.restore(part(device.id, device.savedVersion));
    if (secondsPassed > 0) this.#rtc.advance(secondsPassed);
    this.#typist.restore(waitingKeys);
    // Chips that asked for an instruction boundary while they were being restored asked for nothing.
    this.accelerator.mappingChanged();
    if (this.#lapic.pending) this.accelerator.interruptRaised();
  }

  /** Keys of the host's, in order. */
  keys(changes: readonly KeyChange[]): void {
    this.#typist.press(changes);
  }

  /** Types on a keyboard of a layout, which the guest must think it has; says in the log what has no key there. */
  typeText(text: string, layout: 'us' | 'de' = 'us'): void {
    const { changes, untypable } = keysForText(text, layout);
    if (untypable.length > 0) this.#options.log.log('warning', 'typing', `no key types ${untypable.join(' ')}`);
    this.#typist.type(changes);
  }

  /** The host's mouse moved: counts to the right and down, wheel clicks, buttons as DOM `MouseEvent.buttons`. */
  pointer({ dx, dy, wheel, buttons }: { readonly dx: number; readonly dy: number; readonly wheel: number; readonly buttons: number }): void {
    this.#ps2.mouse.move(dx, dy, wheel, buttons);
  }

  /** Puts a disc into the drive that is disk `drive`, or takes it out. `false`: the guest holds the disc that is in, and it was not to be forced. */
  changeDisc(drive: number, disc: BlockBackend | undefined, force: boolean): boolean {
    const discDrive = this.#discDrives.get(drive);
    invariant(discDrive !== undefined, `disk ${drive} is a CD drive`);
    if (discDrive.isLocked && !force) {
      discDrive.requestEject();
      return false;
    }
    discDrive.changeMedium(disc);
    return true;
  }

  /** An adapter's cable was plugged in or pulled out. */
  setCable(adapter: number, connected: boolean): void {
    this.#adapters[adapter]?.setLink(connected);
  }

  /** Asks the guest to shut down, if it listens. */
  pressPowerButton(): void {
    this.#acpi.pressPowerButton();
  }

  /** Whether a halted CPU could be woken by an interrupt. */
  interruptsEnabled(): boolean {
    return (this.#view.getUint32(CPU_BLOCKS + EFLAGS_REST, true) & EFLAGS_IF) !== 0;
  }

  #resetDevices(kind: ResetKind): void {
    // Before the PICs, whose outputs it listens to. A soft reset would be INIT, which the reset of a board is not.
    this.#lapic.reset('power-on');
    for (const device of this.#devices) device.reset(kind);
  }

  #cpuBoard(lapic: LocalApic, coprocessorError: CoprocessorError): CpuBoard {
    const { ports, physical } = this;
    const { clock } = this.#options;
    // An access to a chip may leave the CPU with an interrupt that it didn't have before.
    const settle = (): void => { if (lapic.pending) this.accelerator.interruptRaised(); };
    const settled = <T>(value: T): T => {
      settle();
      return value;
    };
    return {
      interrupts: lapic,
      readPort: (port, width) => settled(ports.read(port, width)),
      writePort: (port, width, value) => settled(ports.write(port, width, value)),
      readMmio: (address, width) => settled(physical.read(address, width)),
      writeMmio: (address, width, value) => settled(physical.write(address, width, value)),
      readPortBlock: (port, width, target) => settled(ports.readBlock(port, width, target)),
      writePortBlock: (port, width, source) => settled(ports.writeBlock(port, width, source)),
      pageTouched: (memoryOffset) => this.#options.pageWatcher?.touch(memoryOffset),
      pageChanges: (memoryOffset) => this.#options.pageWatcher?.change(memoryOffset),
      coprocessorError: (asserted) => settled(coprocessorError.setError(asserted)),
      // One tick a nanosecond: see TSC_RATE.
      timeStampCounter: () => clock.now(),
      tscHertz: layout.TSC_RATE.numerator,
      localApic: {
        getTaskPriority: () => lapic.getTaskPriority(),
        setTaskPriority: (priority) => settled(lapic.setTaskPriority(priority)),
        setBaseMsr: (value) => { settled(lapic.setBaseMsr(value)); },
        getTscDeadline: () => lapic.tscDeadline,
        setTscDeadline: (value) => settled(lapic.setTscDeadline(value)),
      },
    };
  }

  #gateA20(source: 'port92' | 'keyboard', enabled: boolean): void {
    this.#a20[source] = enabled;
    this.accelerator?.setA20(this.#a20.port92 || this.#a20.keyboard);
  }

  #ideDrive(bays: DriveBays, channel: 0 | 1, drive: 0 | 1): IdeDrive | undefined {
    const disk = bays.ide.find((place) => place.channel === channel && place.drive === drive)?.disk;
    return disk === undefined ? undefined : this.#drive(`ide${channel}.${drive}`, disk);
  }

  #drive(id: string, disk: AttachedDisk): IdeDrive {
    if (disk.kind === 'disk') return new AtaDisk({ id, memory: this.memory, backend: backendOf(disk) });
    const index = this.#options.disks.indexOf(disk);
    const discDrive = new AtapiDrive({ id, memory: this.memory, serial: driveSerial(index), ...(disk.backend === undefined ? {} : { medium: disk.backend }),
      trayMoved: (open) => { if (open) this.#options.discEjected?.(index); },
    });
    this.#discDrives.set(index, discDrive);
    return discDrive;
  }

  #claimUserPort(owner: string, port: number, handler: IoHandler): void {
    const other = this.ports.ownerOf(port);
    if (!Number.isInteger(port) || port < 0 || port > 0xffff || other !== undefined) {
      throw new BoardError('machines.port-in-use', `I/O port 0x${port.toString(16)} ${other === undefined ? 'does not exist' : `belongs to the machine's ${other}`}`, 'choose another port');
    }
    this.ports.claim(owner, port, 1, handler);
  }

  #bootPlan(): LinuxBootPlan | undefined {
    const { directBoot, ramBytes } = this.#options;
    return directBoot === undefined ? undefined : valueOf(planLinuxBoot({ ...directBoot.files(), commandLine: directBoot.commandLine }, ramBytes));
  }

  /** For a guest that boots anew, at a time when a missing kernel can't keep its machine from starting any more. */
  #laterFirmwareItems(bootOrder: readonly string[]): ReturnType<typeof firmwareItems> {
    let plan: LinuxBootPlan | undefined;
    try {
      plan = this.#bootPlan();
    } catch (error) {
      this.#options.log.log('error', 'firmware', `the kernel can't be booted: ${error instanceof Error ? error.message : String(error)}`);
    }
    return this.#firmwareItems(bootOrder, plan);
  }

  #firmwareItems(bootOrder: readonly string[], plan: LinuxBootPlan | undefined): ReturnType<typeof firmwareItems> {
    const { ramBytes, name } = this.#options;
    return firmwareItems({
      board: { ramBytes, cpuCount: CPU_COUNT, hasCom2: false, machineName: name, uuid: uuidOfName(name) },
      bootOrder,
      bootMenuMillis: undefined,
      directBoot: plan,
    });
  }
}

function backendOf({ backend }: AttachedDisk): BlockBackend {
  invariant(backend !== undefined, 'only a CD drive can be empty');
  return backend;
}

/** IRQs that a PIRQ can't be routed to. */
const UNROUTABLE_IRQS: readonly number[] = [0, 1, 2, 8, 13];

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new BoardError(result.error.code, result.error.message, result.error.advice);
  return result.value;
}

/** The same machine has the same UUID at each start (RFC 9562 version 8: made from its name). */
function uuidOfName(name: string): Uint8Array {
  const uuid = new Uint8Array(16);
  let hash = 0x811c9dc5;
  for (let index = 0; index < 16; index++) {
    for (const character of `${index}${name}`) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
    uuid[index] = hash >>> 24;
  }
  uuid[6] = (uuid[6]! & 0x0f) | 0x80;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}
