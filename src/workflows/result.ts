import { priceIn } from '../billing/price.js';
import type { PublishedFigures } from '../billing/proof.js';
import type { PlannedRun } from '../contract/activities.js';
import type { PublishedResult } from '../contract/billing-run.js';
import type { RunStatistics } from './statistics.js';

/** The workflow's result for a published run. */
export function publishedResult(
  plan: PlannedRun,
  published: PublishedFigures,
  statistics: RunStatistics,
): PublishedResult {
  return {
    status: 'published',
    runId: plan.runId,
    range: { after: plan.after, to: plan.to },
    ...published,
    ...priceIn(plan.terms),
    activities: statistics.activities(),
    workers: statistics.workers(),
    blockedBy: plan.blockedBy,
  };
}
