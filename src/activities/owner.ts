/** Asks Temporal whether the workflow that owns a run is still at it. */
import { Context } from '@temporalio/activity';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import type { Owner } from '../runs/run.js';

/** `unknown`: its Temporal can't be asked, or has forgotten it. */
export type OwnerState = 'running' | 'closed' | 'unknown';

const CONNECT_MS = 3000;
const CLOSED = new Set<string>(['COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'CONTINUED_AS_NEW', 'TIMED_OUT']);

/** An owner on this worker's own Temporal is asked there; another's address is connected to without credentials, as best it goes. */
export async function askOwner(owner: Owner, own: { address: string; namespace: string }): Promise<OwnerState> {
  if (owner.temporalAddress === own.address && owner.temporalNamespace === own.namespace) {
    return askTemporal(Context.current().client, owner);
  }
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
 * The newest execution under the owner's workflow id tells: if it does not descend from the owner's first execution, the
 * owner has closed, or a new one could not have begun.
 */
export async function askTemporal(client: Client, owner: Owner): Promise<OwnerState> {
  try {
    const { raw, status } = await client.workflow.getHandle(owner.workflowId).describe();
    const first = raw.workflowExecutionInfo?.firstRunId;
    // A paused workflow is not closed: it may go on at any moment.
    return first === owner.firstExecutionRunId && !CLOSED.has(status.name) ? 'running' : 'closed';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'unknown';
    throw error;
  }
}
