/** Measures processes through /proc, so on Linux only: memory, sampled while a job runs, and CPU time. */
import { readdir, readFile } from 'node:fs/promises';

const LOOK_MS = 20;
const KIB = 1024;
/** USER_HZ, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface MemoryOptions {
  /** The process id of the postmaster. The memory of its children is added up, without shared memory. */
  postmaster: number;
  /** Other processes, by role. Each is measured with its children. */
  processes: () => Record<string, number[]>;
}

/** The peak memory in bytes, by role. For several processes of a role it is that of the largest. */
export type Peaks = Record<string, number>;

export async function withPeaks<T>(
  options: MemoryOptions,
  work: () => Promise<T>,
): Promise<{ result: T; peaks: Peaks }> {
  const peaks: Peaks = {};
  let over = false;
  const watching = (async () => {
    while (!over) {
      await look(options, peaks);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  })();
  try {
    return { result: await work(), peaks };
  } finally {
    over = true;
    await watching;
  }
}

async function look({ postmaster, processes }: MemoryOptions, peaks: Peaks): Promise<void> {
  const children = await childrenOf();
  const seen = (part: string, bytes: number) => {
    peaks[part] = Math.max(peaks[part] ?? 0, bytes);
  };
  seen("PostgreSQL's processes, without what they share", await sum(children.get(postmaster) ?? [], 'RssAnon'));
  for (const [part, pids] of Object.entries(processes())) {
    for (const pid of pids) seen(part, await sum(treeOf(pid, children), 'VmRSS'));
  }
}

/** Returns the CPU seconds of a process and its children, including children that have ended. */
export async function processorSeconds(pid: number): Promise<number> {
  const children = (await childrenOf()).get(pid) ?? [];
  let ticks = 0;
  for (const each of [pid, ...children]) ticks += ticksIn(await statOf(each), each === pid);
  return ticks / TICKS_PER_SECOND;
}

/** Ticks of user and kernel time; for a parent also those of the children for which it has waited. */
function ticksIn(stat: string, isParent: boolean): number {
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user, kernel, childUser, childKernel] = fields.slice(11, 15);
  return (user ?? 0) + (kernel ?? 0) + (isParent ? (childUser ?? 0) + (childKernel ?? 0) : 0);
}

/** Returns the peak memory of a process as recorded by the kernel; undefined if it is unavailable. */
export async function highWaterMark(pid: number): Promise<number | undefined> {
  return field(await statusOf(pid), 'VmHWM');
}

async function sum(pids: readonly number[], name: string): Promise<number> {
  let bytes = 0;
  for (const pid of pids) bytes += field(await statusOf(pid), name) ?? 0;
  return bytes;
}

/** Returns the process id of a process's parent. */
export async function parentOf(pid: number): Promise<number> {
  return parentIn(await statOf(pid)) ?? 0;
}

async function childrenOf(): Promise<Map<number, number[]>> {
  const children = new Map<number, number[]>();
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentIn(await statOf(Number(name)));
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [Number(name)]);
    else siblings.push(Number(name));
  }
  return children;
}

function statOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
}

function parentIn(stat: string): number | undefined {
  const parent = /\) \S (\d+)/.exec(stat)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

function treeOf(pid: number, children: ReadonlyMap<number, number[]>): number[] {
  return [pid, ...(children.get(pid) ?? []).flatMap((child) => treeOf(child, children))];
}

function statusOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
}

function field(status: string, name: string): number | undefined {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  return kib === undefined ? undefined : Number(kib) * KIB;
}
