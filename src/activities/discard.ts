/** Discard: gives up the workflow's run, with all it has written. A run that is published meanwhile stays. */
import { Context } from '@temporalio/activity';
import { AlreadyPublishedError, discardRun as discard } from '../db/run-endings.js';
import { readRunOf } from '../db/runs.js';
import { type ActivityDependencies, withHeartbeat } from './task.js';

export interface DiscardInput {
  /** The owner, together with this activity's workflow id. */
  firstExecutionRunId: string;
  reason: string;
}

export type DiscardAnswer = 'discarded' | 'already published' | 'nothing to discard';

export function createDiscard({ pool, temporal, log }: ActivityDependencies) {
  async function discardRun({ firstExecutionRunId, reason }: DiscardInput): Promise<DiscardAnswer> {
    const { info, cancellationSignal } = Context.current();
    return withHeartbeat(undefined, async () => {
      const runId = await readRunOf(pool, {
        temporalAddress: temporal.address,
        temporalNamespace: temporal.namespace,
        workflowId: info.workflowExecution?.workflowId ?? '',
        firstExecutionRunId,
      });
      if (runId === undefined) return 'nothing to discard';
      try {
        await discard(pool, runId, reason, cancellationSignal);
        log.warn({ run: String(runId), reason }, 'discarded');
        return 'discarded';
      } catch (error) {
        if (error instanceof AlreadyPublishedError) return 'already published';
        throw error;
      }
    });
  }

  return { discardRun };
}
