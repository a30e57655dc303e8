import { availableParallelism, cpus, freemem, hostname } from 'node:os';
import type { ApiHandlers } from '../../shared/api.ts';
import { ok } from '../../shared/result.ts';
import { appVersion } from '../app-version.ts';
import { hostMemoryBytes } from '../machines/host-memory.ts';
import type { Services } from './services.ts';

export function hostHandlers(services: Services): ApiHandlers['host'] {
  return {
    async info() {
      return ok({
        shell: services.shell,
        version: appVersion(),
        platform: `${process.platform} ${process.arch}`,
        hostName: hostname(),
        cpuModel: cpus()[0]?.model.trim() ?? '',
        cores: availableParallelism(),
        memoryBytes: hostMemoryBytes(),
        freeMemoryBytes: freemem(),
        accelerator: 'translator' as const,
        libraryFolder: services.library.folder,
      });
    },
  };
}
