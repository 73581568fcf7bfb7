/** `meterfold demo`: generates a log if there is none, bills it, and shows the result. */

import type { PublishedResult, WorkerShare } from '../../contract/billing-run.js';
import type { Servers } from '../../operations/servers.js';
import type { Pool } from '../../postgres/pool.js';
import { counted, duration, grouped } from '../../text.js';
import { withContext } from '../context.js';
import { type Column, table, writeLine } from '../text/output.js';
import { amountEquation } from '../text/price.js';
import { resultText } from '../text/run-result.js';

const BILLS_SHOWN = 10;
/** So few calls would be billed as a small run; this shows how workers share the tasks of a large one. */
const CUT = { partitions: 4, shards: 4 };
/** The statement of a user with at most this many cycles is shown, so that it fits on a page. */
const CYCLES_SHOWN = 10;

export async function demo(log: { calls: number; users: number }, stopped: Promise<void>): Promise<void> {
  let interrupted = false;
  void stopped.then(() => {
    interrupted = true;
  });
  await withContext(async (context) => {
    const pool = await context.database();
    const steps = [
      () => fillLog(pool, log),
      () => bill(context, pool),
      () => showBills(pool),
      () => showStatement(pool),
      showMore,
    ];
    for (const step of steps) {
      if (interrupted) return;
      await Promise.race([step(), stopped]);
    }
  });
}

async function fillLog(pool: Pool, { calls, users }: { calls: number; users: number }): Promise<void> {
  const { copyCalls, defaultStart } = await import('../../embedded/generate.js');
  const { rows } = await pool.query<{ calls: string }>('select count(*) as calls from public.api_logs');
  if (rows[0]?.calls !== '0')
    return writeLine(`\nThe log has ${counted(rows[0]?.calls ?? '0', 'call')} from an earlier demo.`);
  const startedAt = performance.now();
  await copyCalls(pool, { calls, users, skew: 3, seed: 1, start: defaultStart });
  await writeLine(
    `\nGenerated ${counted(calls, 'call')} of ${counted(users, 'user')} in ${duration(performance.now() - startedAt)}.`,
  );
}

async function bill(servers: Servers, pool: Pool): Promise<void> {
  const { startRun } = await import('../../operations/start.js');
  const { showRun } = await import('../text/follow.js');
  await heading('Billing run');
  const { result, seconds } = await showRun(await startRun(servers, CUT));
  await writeLine(resultText(result, seconds));
  if (result.status !== 'published') return;
  if (result.calls === '0') return writeLine('\nNothing was new since the last run, and nothing was billed twice.');
  const share = ({ worker, activities, calls }: WorkerShare) =>
    `  ${worker}: ${counted(activities, 'activity', 'activities')}, ${counted(calls, 'call')} mapped`;
  await writeLine(['\nby worker:', ...result.workers.map(share)].join('\n'));
  await showProof(pool, result);
}

/** The sums that publish has compared before it published the run. */
async function showProof(pool: Pool, result: PublishedResult): Promise<void> {
  const { readOutcomes } = await import('../../runs/tasks.js');
  const { addDigests } = await import('../../billing/digest.js');
  const stored = await readOutcomes(pool, BigInt(result.runId));
  const maps = stored.map.filter((outcome) => outcome !== null);
  const reduces = stored.reduce.filter((outcome) => outcome !== null);
  const recounts = stored.recount.filter((outcome) => outcome !== null);
  const sum = (values: string[]) => grouped(values.reduce((total, value) => total + BigInt(value), 0n));
  const digest = (outcomes: { digest: string }[]) => addDigests(outcomes.map((outcome) => outcome.digest));
  const columns: Column[] = [
    { title: '' },
    ...['map', 'reduce', 'plain SQL'].map((title) => ({ title, align: 'right' as const })),
  ];
  await heading(`Proof of run ${result.runId}`);
  await writeLine(
    table(columns, [
      ['calls', ...[maps, reduces, recounts].map((all) => sum(all.map(({ calls }) => calls)))],
      ['usage', ...[maps, reduces, recounts].map((all) => sum(all.map(({ usage }) => usage)))],
      ['digest', digest(maps), digest(reduces), ''],
    ]),
  );
  const { carriedIn, carriedOut } = result;
  const perCycle =
    (BigInt(carriedIn.calls) + BigInt(result.calls) - BigInt(carriedOut.calls)) / (BigInt(result.cycles) || 1n);
  await writeLine(
    `\ncalls   ${grouped(carriedIn.calls)} carried in + ${grouped(result.calls)} = ${perCycle} × ${grouped(result.cycles)} cycles + ${grouped(carriedOut.calls)} carried out\n` +
      `usage   ${grouped(carriedIn.usage)} carried in + ${grouped(result.usage)} = ${grouped(result.billedUsage)} billed + ${grouped(carriedOut.usage)} carried out\n` +
      `amount  ${amountEquation(result)}`,
  );
}

async function showBills(pool: Pool): Promise<void> {
  const { topBills } = await import('../../ledger/statements.js');
  const bills = await topBills(pool, BILLS_SHOWN);
  await heading('The ten largest bills');
  const columns: Column[] = [
    { title: 'user' },
    ...['cycles', 'usage', 'amount'].map((title) => ({ title, align: 'right' as const })),
  ];
  await writeLine(
    table(
      columns,
      bills.map((own) => [
        own.userId,
        grouped(own.cycles),
        grouped(own.usage),
        `${grouped(own.amount)} ${own.currency}`,
      ]),
    ),
  );
}

async function showStatement(pool: Pool): Promise<void> {
  const { CYCLES } = await import('../../ledger/records.js');
  const { readStatement } = await import('../../ledger/statements.js');
  const { StatementTotals } = await import('../../billing/statement.js');
  const { statementText } = await import('./statement.js');
  const { rows } = await pool.query<{ user_id: string }>(
    `select user_id from meterfold.records packed group by user_id having sum(${CYCLES}) <= $1
      order by sum(${CYCLES}) desc, user_id limit 1`,
    [CYCLES_SHOWN],
  );
  const userId = rows[0]?.user_id;
  if (userId === undefined) return;
  await heading("One user's statement");
  await readStatement(pool, userId, (statement) => statementText(userId, statement, new StatementTotals()));
}

async function showMore(): Promise<void> {
  await heading('Next steps');
  await writeLine(
    [
      "npx meterfold dev                        keeps this stack running, with Temporal's UI and a schedule,",
      '                                         and prints the two settings that the other commands need:',
      'npx meterfold runs                       the runs',
      'npx meterfold status 1                   everything about one run',
      'npx meterfold statement user-0000000     the largest bill, cycle by cycle',
      'npx meterfold --help                     all commands',
      '',
    ].join('\n'),
  );
}

function heading(text: string): Promise<void> {
  return writeLine(`\n── ${text} ${'─'.repeat(Math.max(4, 72 - text.length))}\n`);
}
