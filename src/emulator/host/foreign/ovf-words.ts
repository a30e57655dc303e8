/** Numbers and names of the Open Virtualization Format (DSP0243) and of the CIM classes that it describes hardware with. */

/** `CIM_ResourceAllocationSettingData.ResourceType`. */
export const RESOURCE = {
  other: 1, processor: 3, memory: 4, ideController: 5, scsiController: 6, ethernet: 10, floppyDrive: 14, cdDrive: 15, dvdDrive: 16, disk: 17,
  otherStorage: 20, serialPort: 21, parallelPort: 22, usbController: 23, graphics: 24, soundCard: 35,
} as const;

export const VMDK_STREAM_FORMAT = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';
