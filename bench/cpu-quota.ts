/**
 * CPU quotas for processes, by a control group for each. They make a worker slow while the machine stays partly idle,
 * as on a cluster where each worker has its own share of CPU. Needs Linux with cgroup v1 or v2, and root.
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../test/support/eventually.js';

const V1_ROOT = '/sys/fs/cgroup/cpu';
const V2_ROOT = '/sys/fs/cgroup';
const isV1 = existsSync(join(V1_ROOT, 'cpu.cfs_quota_us'));
const PERIOD_US = 100_000;

export class CpuQuotas {
  readonly #groups = new Map<number, string>();

  /** Lets a process and its threads use `percent` of one core; undefined lifts the limit. */
  set(pid: number, percent: number | undefined): void {
    const group = this.#groups.get(pid) ?? this.#add(pid);
    const quotaUs = percent === undefined ? undefined : (percent / 100) * PERIOD_US;
    if (isV1) writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quotaUs ?? -1));
    else writeFileSync(join(group, 'cpu.max'), `${quotaUs ?? 'max'} ${PERIOD_US}`);
  }

  #add(pid: number): string {
    const group = join(isV1 ? V1_ROOT : V2_ROOT, `meterfold-bench-${pid}`);
    if (!isV1) writeFileSync(join(V2_ROOT, 'cgroup.subtree_control'), '+cpu');
    mkdirSync(group);
    this.#groups.set(pid, group);
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
    return group;
  }

  /** Removes the control groups; their processes must have ended or be about to. */
  async remove(): Promise<void> {
    for (const group of this.#groups.values()) {
      await eventually(`the processes of ${group} have ended`, () => {
        try {
          rmdirSync(group);
          return true;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
          return false;
        }
      });
    }
  }
}
