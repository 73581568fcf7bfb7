/** Operations on the cluster. The tests run inside its network, and CLUSTER's program sets KUBECONFIG. */
import { execFile } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.js';

export const NAMESPACE = 'meterfold';
const OUTPUT_MAX = 64 * 2 ** 20;
const POD_READY_MS = 120_000;

const execute = promisify(execFile);
/** The cluster may include Helm, in the directory bin next to that of its kubeconfig. */
const PATH = [process.env.PATH, join(dirname(process.env.KUBECONFIG ?? ''), '..', 'bin')].join(delimiter);

async function output(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execute(command, args, { maxBuffer: OUTPUT_MAX, env: { ...process.env, PATH } });
  return stdout;
}

export const kubectl = (...args: string[]): Promise<string> => output('kubectl', ['--namespace', NAMESPACE, ...args]);
export const helm = (...args: string[]): Promise<string> => output('helm', ['--namespace', NAMESPACE, ...args]);
/** Runs the cluster's own program, which prepare.js describes. */
export const cluster = (...args: string[]): Promise<string> => output(process.env.CLUSTER!, args);

/** Returns the address of a Service. */
export async function addressOf(service: string): Promise<string> {
  return kubectl('get', 'service', service, '--output', 'jsonpath={.spec.clusterIP}');
}

export interface Pod {
  name: string;
  node: string;
  image: string;
  ready: boolean;
  /** True while the pod is being deleted. */
  ending: boolean;
}

interface PodResource {
  metadata: { name: string; deletionTimestamp?: string };
  spec: { nodeName?: string; containers: { image: string }[] };
  status: { phase: string; conditions?: { type: string; status: string }[] };
}

/** Returns the pods that match a label selector and have not ended. */
export async function podsOf(selector: string): Promise<Pod[]> {
  const { items } = JSON.parse(await kubectl('get', 'pods', '--selector', selector, '--output', 'json')) as {
    items: PodResource[];
  };
  return items
    .filter(({ status }) => status.phase !== 'Succeeded' && status.phase !== 'Failed')
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      node: spec.nodeName ?? '',
      image: spec.containers[0]!.image,
      ready: status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
      ending: metadata.deletionTimestamp !== undefined,
    }));
}

/** Waits until exactly `count` pods exist and all are ready. */
export function podsReady(selector: string, count: number): Promise<Pod[]> {
  return eventually(
    `${count} pods of ${selector} are ready`,
    async () => {
      const pods = await podsOf(selector);
      return pods.length === count && pods.every(({ ready, ending }) => ready && !ending) && pods;
    },
    POD_READY_MS,
  );
}

/** Deletes pods. Without grace, their processes are killed immediately. */
export async function deletePods(pods: readonly Pod[], { grace }: { grace: boolean }): Promise<void> {
  if (pods.length === 0) return;
  const how = grace ? [] : ['--grace-period', '0', '--force'];
  await kubectl('delete', 'pod', ...pods.map(({ name }) => name), '--wait=false', '--ignore-not-found', ...how);
}

export function nodeReady(name: string, ready: boolean): Promise<unknown> {
  const path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
  return eventually(
    `${name} is ${ready ? '' : 'not '}ready`,
    async () => ((await kubectl('get', 'node', name, '--output', path)) === 'True') === ready,
    POD_READY_MS,
  );
}
