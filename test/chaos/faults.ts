/**
 * The faults, in the order of the report's matrix. The files faults-*.ts define them, by the component that they
 * affect.
 */
import type { Fault } from './fault.js';
import { failOverBehindReplica } from './faults-failover.js';
import { cutConnections, cutInCopy, delayInCopy, dropInCopy, vanish } from './faults-network.js';
import { endTogether } from './faults-operators.js';
import {
  fillDisk,
  loseTemporal,
  restartPostgres,
  restartTemporal,
  severTemporal,
  terminateWorkflow,
} from './faults-servers.js';
import { freezeWorker, killAll, killOne, killSeveral } from './faults-workers.js';

export const FAULTS: readonly Fault[] = [
  killOne,
  killSeveral,
  killAll,
  freezeWorker,
  restartTemporal,
  loseTemporal,
  severTemporal,
  terminateWorkflow,
  endTogether,
  restartPostgres,
  cutConnections,
  cutInCopy,
  delayInCopy,
  dropInCopy,
  vanish,
  fillDisk,
  failOverBehindReplica,
];
