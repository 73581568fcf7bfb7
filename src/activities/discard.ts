/**
 * Discard: ends the workflow's run and deletes what it has written. If the run is already published, it stays, and its
 * figures are returned. The run is the newest one of the workflow, which is not always the one that this execution has
 * planned: after a reset there may be another.
 */
import { Context } from '@temporalio/activity';
import type { DiscardAnswer, DiscardInput } from '../contract/activities.js';
import { AlreadyPublishedError, discardRun as discard } from '../runs/discard.js';
import { readPublished } from '../runs/published.js';
import { readRunOf } from '../runs/run.js';
import { withHeartbeat } from './heartbeat.js';
import { checkInstallation } from './installation.js';
import type { ActivityDependencies } from './task.js';

export function createDiscard({ pool, temporal, installation: own, log }: ActivityDependencies) {
  async function discardRun({ firstExecutionRunId, reason, installation }: DiscardInput): Promise<DiscardAnswer> {
    checkInstallation(own, installation);
    const { info, cancellationSignal } = Context.current();
    return withHeartbeat({ log }, async () => {
      const own = await readRunOf(pool, {
        temporalAddress: temporal.address,
        temporalNamespace: temporal.namespace,
        workflowId: info.workflowExecution?.workflowId ?? '',
        firstExecutionRunId,
      });
      if (own === undefined || own.state === 'reverted') return { status: 'nothing to discard' };
      try {
        await discard(pool, own.runId, reason, { activityId: info.activityId, signal: cancellationSignal });
        log.warn({ run: String(own.runId), reason }, 'discarded');
        return { status: 'discarded' };
      } catch (error) {
        if (!(error instanceof AlreadyPublishedError)) throw error;
        const figures = await readPublished(pool, own.runId);
        return { status: 'already published', runId: String(own.runId), figures };
      }
    });
  }

  return { discardRun };
}
