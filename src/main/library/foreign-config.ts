import { isAbsoluteMediumPath } from '../../shared/machine-config.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';

/**
 * The settings of a machine that somebody else made, without what leads out of its folder: files of this host that it
 * would attach, and what it would open on this host's network. Its person can give these back, knowing what they give.
 */
export function withoutReachOutside(config: MachineConfig): MachineConfig {
  const isInside = (path: string | undefined): path is string => path !== undefined && !isAbsoluteMediumPath(path);
  const { directBoot, ...rest } = config;
  const boot = directBoot !== undefined && isInside(directBoot.kernel) && (directBoot.initrd === undefined || isInside(directBoot.initrd)) ? { directBoot } : {};
  return {
    ...rest, ...boot,
    disks: config.disks.filter(({ path }) => isInside(path)).map((disk) => ({ ...disk, backingFolders: [] })),
    cdroms: config.cdroms.map((cdrom) => (isInside(cdrom.path) ? cdrom : { bus: cdrom.bus })),
    adapters: config.adapters.map(({ bootFolder: _folder, bootFile: _file, ...adapter }) => ({ ...adapter, allow: [], forwards: [] })),
  };
}
