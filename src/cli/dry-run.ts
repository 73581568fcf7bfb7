/** `meterfold run --dry-run`: what a run would bill now, by plain SQL. */

import type { Pool } from '../db/pool.js';
import { dryRun } from '../db/reads-dry-run.js';
import type { BillingTerms } from '../domain/terms.js';
import { counted, facts, grouped, writeJson, writeLine } from './output.js';

export async function showDryRun(pool: Pool, terms: BillingTerms, json: boolean): Promise<void> {
  const figures = await dryRun(pool, terms);
  const { pricePerUnit, currency } = terms;
  if (json) return writeJson({ status: 'dry run', ...figures, currency, pricePerUnit });
  await writeLine(
    facts([
      [
        'calls',
        `${counted(figures.calls, 'call')} of ${counted(figures.users, 'user')}, log positions after ${grouped(figures.range.after)} up to ${grouped(figures.range.to)}`,
      ],
      ['cycles to close', grouped(figures.cycles)],
      ['amount', `${grouped(figures.amount)} ${currency}  (usage ${grouped(figures.billedUsage)} at ${pricePerUnit})`],
      ['carried in', `${counted(figures.carriedIn.calls, 'call')}, usage ${grouped(figures.carriedIn.usage)}`],
      ['carried out', `${counted(figures.carriedOut.calls, 'call')}, usage ${grouped(figures.carriedOut.usage)}`],
    ]),
  );
  const next =
    figures.activeRunId === null
      ? 'Bill them by `meterfold run`.'
      : `Run ${figures.activeRunId} is in progress and bills these calls or some of them.`;
  await writeLine(`\nNothing was written. ${next}`);
}
