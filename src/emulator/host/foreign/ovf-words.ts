/** Numbers and names of the Open Virtualization Format (DSP0243) and of the CIM classes that it describes hardware with. */

/** `CIM_ResourceAllocationSettingData.ResourceType`. */
export const RESOURCE = {
  other: 1, processor: 3, memory: 4, ideController: 5, scsiController: 6, ethernet: 10, floppyDrive: 14, cdDrive: 15, dvdDrive: 16, disk: 17,
  otherStorage: 20, serialPort: 21, parallelPort: 22, usbController: 23, graphics: 24, soundCard: 35,
} as const;

export const VMDK_STREAM_FORMAT = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';

/** `CIM_OperatingSystem.OSType` for a family of systems, and VMware's word for one of it. */
export const SYSTEM_NUMBERS = {
  dos: { 'i386': [14, 'dosGuest'], 'x86_64': [14, 'dosGuest'] },
  'windows-9x': { 'i386': [17, 'win98Guest'], 'x86_64': [17, 'win98Guest'] },
  'windows-xp': { 'i386': [67, 'winXPProGuest'], 'x86_64': [71, 'winXPPro64Guest'] },
  windows: { 'i386': [105, 'windows7Guest'], 'x86_64': [105, 'windows7_64Guest'] },
  'linux-32': { 'i386': [36, 'otherLinuxGuest'], 'x86_64': [36, 'otherLinuxGuest'] },
  'linux-64': { 'i386': [101, 'otherLinux64Guest'], 'x86_64': [101, 'otherLinux64Guest'] },
  bsd: { 'i386': [42, 'freebsdGuest'], 'x86_64': [78, 'freebsd64Guest'] },
  other: { 'i386': [1, 'otherGuest'], 'x86_64': [102, 'otherGuest64'] },
} as const;
