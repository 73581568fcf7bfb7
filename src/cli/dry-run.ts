/** `meterfold run --dry-run`: what a run would bill now, by plain SQL. */

import type { Pool } from '../db/pool.js';
import { dryRun } from '../db/reads-dry-run.js';
import type { BillingTerms } from '../domain/terms.js';
import { facts, grouped, writeJson, writeLine } from './output.js';

export async function showDryRun(pool: Pool, terms: BillingTerms, json: boolean): Promise<void> {
  const figures = await dryRun(pool, terms);
  const { pricePerUnit, currency } = terms;
  if (json) return writeJson({ status: 'dry run', ...figures, currency, pricePerUnit });
  await writeLine(
    facts([
      [
        'calls',
        `${grouped(figures.calls)} of ${grouped(figures.users)} users, log positions ${figures.range.after} < id <= ${figures.range.to}`,
      ],
      ['cycles to close', grouped(figures.cycles)],
      ['amount', `${grouped(figures.amount)} ${currency}  (usage ${grouped(figures.billedUsage)} at ${pricePerUnit})`],
      ['carried in', `${grouped(figures.carriedIn.calls)} calls, usage ${grouped(figures.carriedIn.usage)}`],
      ['carried out', `${grouped(figures.carriedOut.calls)} calls, usage ${grouped(figures.carriedOut.usage)}`],
    ]),
  );
  const busy =
    figures.activeRunId === null
      ? ''
      : ` Run ${figures.activeRunId} is in progress and bills these calls or some of them.`;
  await writeLine(`\nNothing was written.${busy} Bill them by \`meterfold run\`.`);
}
