/** `meterfold runs` and `meterfold status RUN`: the figures of billing runs, and why runs in progress stall. */

import type { Command } from 'commander';
import type { RunList } from '../../operations/runs.js';
import { stalledRunText, stallText } from '../../operations/stall-text.js';
import type { RunDetails } from '../../runs/list.js';
import { counted, duration, grouped, moment, printable, sentence } from '../../text.js';
import { runIdArgument, wholeNumber } from '../arguments.js';
import { withContext } from '../context.js';
import { callsText } from '../text/figures.js';
import { type Column, facts, note, table, writeJson, writeLine } from '../text/output.js';
import { amountEquation, amountText, priceText } from '../text/price.js';
import { writerText } from '../text/writer.js';

export function register(program: Command): void {
  program
    .command('runs')
    .description('list billing runs, newest first')
    .option('--limit <n>', 'show at most so many runs', wholeNumber(1, 100_000), 20)
    .option('--json', 'print one JSON array')
    .addHelpText(
      'after',
      `
Examples:
  $ meterfold runs
  $ meterfold runs --limit 100 --json`,
    )
    .action(showRuns);

  program
    .command('status')
    .description('show everything about one billing run')
    .argument('[run]', 'the number of the run, as `meterfold runs` shows it (default: the newest)', runIdArgument)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  $ meterfold status
  $ meterfold status 7
  $ meterfold status 7 --json`,
    )
    .action(showStatus);
}

async function showRuns(flags: { limit: number; json?: boolean }) {
  await withContext(async (context) => {
    const { listRuns } = await import('../../operations/runs.js');
    const { runs, others } = await listRuns(context, flags.limit);
    if (flags.json) await writeJson(runs);
    else if (runs.length === 0) await writeLine('No run yet: `meterfold run` starts one.');
    else await writeLine(table(runColumns, runs.map(runCells)));
    for (const run of others) note(sentence(stalledRunText(run)));
  });
}

const runColumns: Column[] = [
  { title: 'run', align: 'right' },
  { title: 'state' },
  { title: 'calls after', align: 'right' },
  { title: 'up to', align: 'right' },
  { title: 'calls', align: 'right' },
  { title: 'cycles', align: 'right' },
  { title: 'quarantined', align: 'right' },
  { title: 'amount', align: 'right' },
  { title: 'price', align: 'right' },
  { title: 'opened' },
  { title: 'took', align: 'right' },
  { title: 'reason' },
];

function runCells(run: RunList['runs'][number]): string[] {
  return [
    run.runId,
    run.state,
    grouped(run.range.after),
    optional(run.range.to),
    optional(run.calls),
    optional(run.cycles),
    run.quarantinedCalls === '0' ? '–' : grouped(run.quarantinedCalls),
    run.amount === null ? '–' : amountText({ ...run, amount: run.amount }),
    priceText(run),
    moment(new Date(run.openedAt)),
    duration(run.tookMs),
    run.reason ?? (run.stalls ?? []).map((stall) => stallText(stall)).join('; '),
  ];
}

function optional(number: string | null): string {
  return number === null ? '–' : grouped(number);
}

async function showStatus(asked: string | undefined, flags: { json?: boolean }) {
  await withContext(async (context) => {
    const { showRun } = await import('../../operations/runs.js');
    const { run, stallsUnknown } = await showRun(context, asked);
    if (flags.json) return writeJson(run);
    const stalls = (run.stalls ?? []).map((stall) => stallText(stall));
    return writeLine(statusText(run, stallsUnknown === undefined ? stalls : [`unknown: ${stallsUnknown}`]));
  });
}

function statusText(run: RunDetails, stalls: readonly string[]): string {
  const parts = [
    `Run ${run.runId}: ${run.state}${run.reason === null ? '' : ` (${run.reason})`}`,
    facts([...rangeFacts(run), ...timeFacts(run), ...billingFacts(run), ...ownerFacts(run)]),
  ];
  if (stalls.length > 0) parts.push(`Stalled:\n${stalls.map((stall) => `  ${printable(stall)}`).join('\n')}`);
  if (run.blockedBy.length > 0) {
    parts.push(
      `Blocked by writers that had not committed:\n${run.blockedBy.map((writer) => `  ${writerText(writer)}`).join('\n')}`,
    );
  }
  if (run.quarantine.length > 0) {
    const more = BigInt(run.quarantinedCalls) - BigInt(run.quarantine.length);
    const lines = run.quarantine.map(({ id, reason }) => `  call ${id}: ${reason}`);
    if (more > 0n) lines.push(`  and ${grouped(more)} more: see the view public.quarantined_calls`);
    parts.push(`Quarantined, not billed:\n${lines.join('\n')}`);
  }
  if (run.tasks.length > 0)
    parts.push(
      table(
        taskColumns,
        run.tasks.map((task) => [task.kind, grouped(task.done), grouped(task.total)]),
      ),
    );
  if (run.workers.length > 0) {
    parts.push(
      table(
        workerColumns,
        run.workers.map((worker) => [
          worker.worker,
          grouped(worker.activities),
          grouped(worker.callsMapped),
          grouped(worker.callsReduced),
        ]),
      ),
    );
  }
  if (run.state === 'published')
    parts.push(`Proof\n${facts(proofFacts(run).map(([name, value]) => [`  ${name}`, value]))}`);
  return parts.join('\n\n');
}

const taskColumns: Column[] = [
  { title: 'activities' },
  { title: 'done', align: 'right' },
  { title: 'of', align: 'right' },
];

const workerColumns: Column[] = [
  { title: 'worker' },
  { title: 'activities', align: 'right' },
  { title: 'calls mapped', align: 'right' },
  { title: 'calls reduced', align: 'right' },
];

function rangeFacts(run: RunDetails): [string, string][] {
  const { after, to } = run.range;
  if (to === null) return [['log', `calls after ${grouped(after)}; the end of the range is not sealed yet`]];
  const aim =
    run.sealPosition !== null && run.sealPosition !== to ? `; the run tried to seal ${grouped(run.sealPosition)}` : '';
  return [['log', `calls after ${grouped(after)} up to ${grouped(to)}${aim}`]];
}

function timeFacts(run: RunDetails): [string, string][] {
  const lines: [string, string][] = [['opened', moment(new Date(run.openedAt))]];
  const end = run.revertedAt ?? run.publishedAt ?? run.discardedAt;
  if (end !== null) lines.push([run.state, `${moment(new Date(end))}, after ${duration(run.tookMs)}`]);
  else if (run.leaseRenewedAt !== null) {
    const ago = Math.max(0, Date.now() - Date.parse(run.leaseRenewedAt));
    lines.push(['last activity', `${duration(ago)} ago; open for ${duration(run.tookMs)}`]);
  }
  return lines;
}

function billingFacts(run: RunDetails): [string, string][] {
  const price: [string, string] = [
    'price',
    `${priceText(run)} ${run.currency} a unit, ${run.callsPerCycle} calls a cycle`,
  ];
  if (run.calls === null || run.carriedIn === null || run.carriedOut === null) return [price];
  return [
    price,
    ['calls', `${grouped(run.calls)} of ${counted(run.users!, 'user')}, usage ${grouped(run.usage!)}`],
    ['carried in', callsText(run.carriedIn)],
    ['cycles closed', `${grouped(run.cycles!)}, usage ${grouped(run.billedUsage!)}`],
    ['amount', amountText({ ...run, amount: run.amount! })],
    ['carried out', callsText(run.carriedOut)],
    ...latencyFacts(run),
  ];
}

function latencyFacts({ cycleLatency }: RunDetails): [string, string][] {
  if (cycleLatency === null) return [];
  const { meanSeconds, p99Seconds, maxSeconds, cyclesIgnored } = cycleLatency;
  const shown = (seconds: number | null) => duration((seconds ?? 0) * 1000);
  const measured =
    meanSeconds === null
      ? 'not measured'
      : `${shown(meanSeconds)} from a cycle's last call to its record on average; p99 ${shown(p99Seconds)}, longest ${shown(maxSeconds)}`;
  const ignored =
    cyclesIgnored === 0
      ? ''
      : `; excluding ${counted(cyclesIgnored, 'cycle')} whose last call has an impossible received_at`;
  return [['cycle latency', `${measured}${ignored}`]];
}

/** The sums that were proved before the run was published, and the other figures as stored. */
function proofFacts(run: RunDetails): [string, string][] {
  const sides = (inRange: string, carriedIn: string, carriedOut: string, closed: string) =>
    `${grouped(carriedIn)} carried in + ${grouped(inRange)} in the range = ${closed} + ${grouped(carriedOut)} carried out`;
  const closed = `${run.callsPerCycle} × ${counted(run.cycles!, 'cycle')} closed`;
  return [
    ['calls', sides(run.calls!, run.carriedIn!.calls, run.carriedOut!.calls, closed)],
    ['usage', sides(run.usage!, run.carriedIn!.usage, run.carriedOut!.usage, `${grouped(run.billedUsage!)} billed`)],
    ['amount', amountEquation({ ...run, billedUsage: run.billedUsage!, amount: run.amount! }, ' billed')],
    ...flattened(run.proof ?? {}),
  ];
}

function ownerFacts(run: RunDetails): [string, string][] {
  const { address, namespace, firstExecutionRunId } = run.temporal;
  return [
    ['workflow', `${run.workflowId} (run ${firstExecutionRunId})`],
    ['Temporal', `${address}, namespace ${namespace}`],
  ];
}

/** Nested figures with names such as "touched in calls"; whole numbers are grouped, digests are not. */
function flattened(figures: Record<string, unknown>, prefix = ''): [string, string][] {
  return Object.entries(figures).flatMap(([key, value]): [string, string][] => {
    const name = `${prefix}${key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`;
    if (typeof value === 'object' && value !== null) return flattened(value as Record<string, unknown>, `${name} `);
    return [[name, /^\d+$/.test(String(value)) && !/digest/i.test(name) ? grouped(String(value)) : String(value)]];
  });
}
