/** Stalls in words. */
import type { Stall, StalledRun } from '../temporal/stalls.js';
import { counted, duration } from '../text.js';

/** "plan is being retried, attempt 4 failed: … (the next starts in 8.0 s)" */
export function stallText({ activity, activities, attempt, message, nextAttemptAt }: Stall, now = Date.now()): string {
  const what = activities === 1 ? activity : `${activity} (${counted(activities, 'activity', 'activities')})`;
  if (attempt === null) return `${what} waits: ${message}`;
  const next =
    nextAttemptAt === null
      ? `attempt ${attempt + 1} is running`
      : `the next starts in ${duration(Math.max(0, Date.parse(nextAttemptAt) - now))}`;
  return `${what} is being retried, attempt ${attempt} failed: ${message} (${next})`;
}

/** "run 7: plan …", or the workflow's id if the run has no number yet. */
export function stalledRunText({ workflowId, runId, stalls }: StalledRun): string {
  const run = runId === null ? `run of workflow ${workflowId}, not opened yet` : `run ${runId}`;
  return `${run}: ${stalls.map((stall) => stallText(stall)).join('; ')}`;
}
