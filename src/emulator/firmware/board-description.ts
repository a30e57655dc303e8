/** What the firmware tables say differs between machines; everything else is the board's layout. */
export interface BoardDescription {
  readonly ramBytes: number;
  readonly cpuCount: number;
  readonly hasCom2: boolean;
  /** The machine's name, shown by the guest's inventory tools. */
  readonly machineName: string;
  /** 16 bytes in the order of the text form. */
  readonly uuid: Uint8Array;
}
