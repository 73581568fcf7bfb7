/** Shows what a run would bill now. Nothing is written, and Temporal is not needed. */
import { type PriceTerms, priceIn } from '../billing/price.js';
import type { BadCalls } from '../billing/terms.js';
import { type DryRun, dryRun as readDryRun } from '../ledger/dry-run.js';
import { checkFrozenTerms, frozenCallsPerCycle } from '../runs/open.js';
import type { Servers } from './servers.js';

export interface DryRunReport extends DryRun, PriceTerms {
  badCalls: BadCalls;
}

/** Throws FrozenTermError as starting the run would. */
export async function dryRun(servers: Servers): Promise<DryRunReport> {
  const { terms, explicitInput, worker } = servers.config;
  const pool = await servers.database();
  const frozen = await frozenCallsPerCycle(pool);
  const { callsPerCycle } = explicitInput;
  if (callsPerCycle !== undefined) checkFrozenTerms(frozen, { callsPerCycle });
  const price = priceIn(terms);
  const { badCalls } = worker;
  const figures = await readDryRun(pool, { callsPerCycle: frozen ?? terms.callsPerCycle, ...price, badCalls });
  return { ...figures, ...price, badCalls };
}
