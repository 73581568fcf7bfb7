/** Whether the workflow that owns a run still works on it, according to Temporal. */
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import type { Owner } from '../runs/run.js';

/** The server and namespace in which a workflow is. */
export interface TemporalAddress {
  address: string;
  namespace: string;
}

export function isSameTemporal(one: TemporalAddress, other: TemporalAddress): boolean {
  return one.address === other.address && one.namespace === other.namespace;
}

export function temporalOf({ temporalAddress, temporalNamespace }: Owner): TemporalAddress {
  return { address: temporalAddress, namespace: temporalNamespace };
}

/** `unknown`: its Temporal does not answer, or has no record of the workflow. */
export type OwnerState = 'running' | 'closed' | 'unknown';

const CONNECT_MS = 3000;
const CLOSED = new Set<string>(['COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'CONTINUED_AS_NEW', 'TIMED_OUT']);

/**
 * Reads the state of an owner that may be in another Temporal than `own`, which is that of `client`. The other one is
 * connected to without credentials, as this process has none for it.
 */
export async function askOwner(client: Client, owner: Owner, own: TemporalAddress): Promise<OwnerState> {
  if (isSameTemporal(temporalOf(owner), own)) return askTemporal(client, owner);
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address: owner.temporalAddress, connectTimeout: CONNECT_MS });
    return await askTemporal(new Client({ connection, namespace: owner.temporalNamespace }), owner);
  } catch {
    return 'unknown';
  } finally {
    await connection?.close().catch(() => {});
  }
}

/**
 * Reads the state of an owner from the Temporal of `client`. Only the newest execution under the owner's workflow id
 * can be running. If it does not descend from the owner's first execution, the owner has closed, because a new chain
 * cannot start before that.
 */
export async function askTemporal(client: Client, owner: Owner): Promise<OwnerState> {
  try {
    const { raw, status } = await client.workflow.getHandle(owner.workflowId).describe();
    const first = raw.workflowExecutionInfo?.firstRunId;
    // The set names the closed states: a paused workflow, whose status has another name, may continue at any moment.
    return first === owner.firstExecutionRunId && !CLOSED.has(status.name) ? 'running' : 'closed';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'unknown';
    throw error;
  }
}

/** Requests the cancellation of the owner. Temporal also accepts this if the workflow has closed. */
export async function requestCancel(client: Client, { workflowId, firstExecutionRunId }: Owner): Promise<void> {
  await client.workflow.getHandle(workflowId, undefined, { firstExecutionRunId }).cancel();
}
