import type { MachineStatus } from '../../shared/api.ts';

/** A machine's state in a few words. */
export function describeStatus(status: MachineStatus): string {
  const remarks = [
    status.unresponsive ? 'unresponsive' : undefined,
    status.resetLoop ? `reset loop, ${status.resetsInLastMinute} in a minute` : undefined,
    status.diskTrouble === undefined ? undefined : `a disk has trouble: ${status.diskTrouble.message}`,
    status.haltedForever ? 'halted for good' : undefined,
  ].filter((remark) => remark !== undefined);
  return remarks.length === 0 ? status.state : `${status.state} (${remarks.join(', ')})`;
}
