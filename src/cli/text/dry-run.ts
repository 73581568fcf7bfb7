/** `meterfold run --dry-run`: what a run would bill now, by plain SQL. */

import type { BadCalls, BillingTerms } from '../../billing/terms.js';
import { type DryRun, dryRun } from '../../ledger/dry-run.js';
import type { Pool } from '../../postgres/pool.js';
import { counted, facts, grouped, writeJson, writeLine } from './output.js';

export async function showDryRun(
  pool: Pool,
  terms: BillingTerms & { badCalls: BadCalls },
  json: boolean,
): Promise<void> {
  const figures = await dryRun(pool, terms);
  const { pricePerUnit, currency, badCalls } = terms;
  if (json) return writeJson({ status: 'dry run', ...figures, currency, pricePerUnit, badCalls });
  const { quarantined, stopsAt } = figures;
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
      ...(quarantined.calls === '0' ? [] : [['quarantined', quarantineText(quarantined)] as [string, string]]),
    ]),
  );
  if (stopsAt !== null) {
    await writeLine(
      `\nThe run would stop at call ${stopsAt.id} in public.api_logs: ${stopsAt.reason}. The figures are those without such calls: ` +
        'mend them, or set BAD_CALLS=quarantine.',
    );
  }
  await writeLine(`\nNothing was written.${nextStep(figures)}`);
}

function nextStep({ activeRunId, stopsAt }: DryRun): string {
  if (activeRunId !== null) return ` Run ${activeRunId} is in progress and bills these calls or some of them.`;
  return stopsAt === null ? ' Bill them by `meterfold run`.' : '';
}

function quarantineText({ calls, usage }: { calls: string; usage: string }): string {
  return `${counted(calls, 'call')}, usage ${grouped(usage)}: can't be billed, and would be put aside`;
}
