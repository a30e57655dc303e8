/** What of a machine goes into an OVF package. */
import type { GuestSystem } from './machine-description.ts';
import type { MediaImage } from './media-protocol.ts';

export interface ExportedMachine {
  readonly name: string;
  readonly notes: string;
  readonly architecture: 'x86_64' | 'i386';
  readonly guestSystem: GuestSystem | undefined;
  readonly memoryBytes: number;
  readonly disks: readonly { readonly image: MediaImage; readonly bus: 'ide' | 'sata' }[];
  readonly cdDrives: number;
  readonly adapters: readonly { readonly network: string; readonly isConnected: boolean; readonly mac: string | undefined }[];
}
