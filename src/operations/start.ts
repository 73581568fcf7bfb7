/** Starts billing runs. */
import type { BillingRunInput } from '../contract/billing-run.js';
import { checkFrozenTerms, frozenCallsPerCycle } from '../runs/open.js';
import { readInstallation } from '../schema/installation.js';
import { type RunHandle, startWorkflow } from '../temporal/start.js';
import { isPolled } from '../temporal/task-queue.js';
import type { Servers } from './servers.js';

/**
 * Starts a run with the terms that the environment sets; `input` takes precedence. Throws FrozenTermError, before
 * anything is started, if an earlier run has frozen another number of calls per cycle.
 */
export async function startRun(
  servers: Servers,
  input: BillingRunInput = {},
  { workflowId }: { workflowId?: string | undefined } = {},
): Promise<RunHandle> {
  const { config } = servers;
  const asked = { ...config.explicitInput, ...input };
  const pool = await servers.database();
  const { callsPerCycle } = asked;
  if (callsPerCycle !== undefined) checkFrozenTerms(await frozenCallsPerCycle(pool), { callsPerCycle });
  const installation = await readInstallation(pool);
  const { taskQueue } = config.temporal;
  return startWorkflow(await servers.temporal(), asked, { workflowId, taskQueue, installation });
}

/** True if a worker polls for workflows, or Temporal does not say; otherwise a new run waits for one. */
export async function hasWorkers({ config, temporal }: Servers): Promise<boolean> {
  const client = await temporal();
  return isPolled(client.workflow, config.temporal.taskQueue, 'workflow').catch(() => true);
}
