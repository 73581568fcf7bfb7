/** `meterfold statement USER` and `meterfold export --run R`: billing records, streamed from the database. */
import { type Command, Option } from 'commander';
import { parsePicos } from '../../billing/money.js';
import type { StatementTotal, StatementTotals } from '../../billing/statement.js';
import type { BillingRecord, OpenCycle, Statement } from '../../ledger/statements.js';
import { counted, grouped, printable } from '../../text.js';
import { runIdArgument, userIdArgument } from '../arguments.js';
import { withContext } from '../context.js';
import {
  type Column,
  columnWidths,
  csvLine,
  csvText,
  note,
  tableLine,
  write,
  writeJsonStream,
  writeLine,
} from '../text/output.js';

const CSV_RULE = `In CSV, an apostrophe is put before a user id that a spreadsheet would execute (= + - @ and similar), and before one that
begins with an apostrophe. A program removes the first apostrophe of a user id that begins with one. JSON has ids unchanged.`;

interface FormatFlags {
  json?: boolean;
  csv?: boolean;
}

export function register(program: Command): void {
  program
    .command('statement')
    .description("show a user's closed billing cycles, their totals, and the open cycle")
    .argument('<user>', "the user's id, as in the log", userIdArgument)
    .addOption(new Option('--json', 'print one JSON object').conflicts('csv'))
    .addOption(
      new Option('--csv', 'print CSV: a row per cycle, then a row per total, then the open cycle').conflicts('json'),
    )
    .addHelpText(
      'after',
      `
Amounts are exact. The amount due is the total of a currency, rounded once to its minor unit by ISO 4217 (half away from
zero).
${CSV_RULE}

Examples:
  $ meterfold statement user-0000042
  $ meterfold statement user-0000042 --csv > user-0000042.csv`,
    )
    .action(showStatement);

  program
    .command('export')
    .description('print the billing records of one run, of all users')
    .requiredOption('--run <run>', "the run's number, as `meterfold runs` shows it", runIdArgument)
    .addOption(new Option('--json', 'print one JSON object').conflicts('csv'))
    .addOption(new Option('--csv', 'print CSV (the default)').conflicts('json'))
    .addHelpText(
      'after',
      `
${CSV_RULE}

Examples:
  $ meterfold export --run 7 --csv > run-7.csv
  $ meterfold export --run 7 --json | jq '.records | length'`,
    )
    .action(exportRun);
}

async function showStatement(userId: string, flags: FormatFlags) {
  await withContext(async (context) => {
    const pool = await context.database();
    const { readStatement } = await import('../../ledger/statements.js');
    const { StatementTotals } = await import('../../billing/statement.js');
    const totals = new StatementTotals();
    await readStatement(pool, userId, async (statement) => {
      if (statement.openCycle === null)
        note(`No published run has calls of user ${printable(userId)} (ids are case-sensitive).`);
      if (flags.json) return statementJson(userId, statement, totals);
      if (flags.csv) return statementCsv(userId, statement, totals);
      return statementText(userId, statement, totals);
    });
  });
}

async function* added(
  cycles: AsyncIterable<BillingRecord[]>,
  totals: StatementTotals,
): AsyncGenerator<BillingRecord[]> {
  for await (const batch of cycles) {
    for (const cycle of batch) totals.add(cycle);
    yield batch;
  }
}

function statementJson(userId: string, statement: Statement, totals: StatementTotals): Promise<void> {
  return writeJsonStream({ userId }, 'cycles', added(statement.cycles, totals), () => ({
    totals: totals.totals(),
    openCycle: statement.openCycle,
  }));
}

const cycleColumns: Column[] = [
  { title: 'cycle', align: 'right' },
  { title: 'calls', align: 'right' },
  { title: 'usage', align: 'right' },
  { title: 'amount', align: 'right' },
  { title: 'first call (UTC)' },
  { title: 'last call (UTC)' },
  { title: 'run', align: 'right' },
];

export async function statementText(userId: string, statement: Statement, totals: StatementTotals) {
  await writeLine(`Statement of ${printable(userId)}\n`);
  let widths: number[] | undefined;
  for await (const batch of added(statement.cycles, totals)) {
    const rows = batch.map(cycleCells);
    if (widths === undefined) {
      // Later batches keep the widths of the first, because the cycles of one user are of similar size.
      widths = columnWidths(cycleColumns, rows);
      await writeLine(
        tableLine(
          cycleColumns,
          cycleColumns.map((column) => column.title),
          widths,
        ),
      );
    }
    const fixed = widths;
    await write(rows.map((cells) => `${tableLine(cycleColumns, cells, fixed)}\n`).join(''));
  }
  if (widths === undefined) await writeLine('No closed cycle.');
  await writeLine();
  for (const total of totals.totals()) await writeLine(totalText(total));
  await writeLine(openCycleText(statement.openCycle));
}

function cycleCells(cycle: BillingRecord): string[] {
  return [
    grouped(cycle.cycleNumber),
    String(cycle.calls),
    grouped(cycle.usage),
    `${grouped(cycle.amount)} ${cycle.currency}`,
    shortTime(cycle.firstCalledAt),
    shortTime(cycle.lastCalledAt),
    cycle.runId,
  ];
}

function shortTime(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}

function totalText(total: StatementTotal): string {
  const exact = parsePicos(total.amount) === parsePicos(total.amountDue) ? '' : ` (exactly ${grouped(total.amount)})`;
  const of = `${counted(total.cycles, 'cycle')}, ${counted(total.calls, 'call')}, usage ${grouped(total.usage)}`;
  return `Total: ${grouped(total.amountDue)} ${total.currency}${exact} for ${of}`;
}

function openCycleText(openCycle: OpenCycle | null): string {
  if (openCycle === null || openCycle.calls === 0) return 'Open cycle: no calls';
  return `Open cycle: ${counted(openCycle.calls, 'call')} of cycle ${grouped(openCycle.nextCycleNumber)}, usage ${grouped(openCycle.usage)}, not billed yet`;
}

/** The column names of the view `billing_records`. */
const recordHeader = [
  'user_id',
  'cycle_number',
  'calls',
  'usage',
  'amount',
  'currency',
  'first_call_id',
  'last_call_id',
  'first_called_at',
  'last_called_at',
  'run_id',
];

function recordCells(record: BillingRecord): (string | number)[] {
  return [
    csvText(record.userId),
    record.cycleNumber,
    record.calls,
    record.usage,
    record.amount,
    record.currency,
    record.firstCallId,
    record.lastCallId,
    record.firstCalledAt,
    record.lastCalledAt,
    record.runId,
  ];
}

/** All rows have the same columns, so that a spreadsheet can filter by the first. */
async function statementCsv(userId: string, statement: Statement, totals: StatementTotals) {
  await write(csvLine(['row', ...recordHeader, 'amount_due']));
  for await (const batch of added(statement.cycles, totals)) {
    await write(batch.map((cycle) => csvLine(['cycle', ...recordCells(cycle), ''])).join(''));
  }
  for (const { calls, usage, amount, currency, amountDue } of totals.totals()) {
    await write(csvLine(['total', csvText(userId), '', calls, usage, amount, currency, '', '', '', '', '', amountDue]));
  }
  if (statement.openCycle === null) return;
  const { nextCycleNumber, calls, usage } = statement.openCycle;
  await write(csvLine(['open', csvText(userId), nextCycleNumber, calls, usage, '', '', '', '', '', '', '', '']));
}

async function exportRun(flags: FormatFlags & { run: string }) {
  await withContext(async (context) => {
    const pool = await context.database();
    const [{ readRunState }, { RunNotFoundError, RunStateError }] = await Promise.all([
      import('../../runs/list.js'),
      import('../../operations/errors.js'),
    ]);
    const state = await readRunState(pool, flags.run);
    if (state === undefined) throw new RunNotFoundError(flags.run);
    if (state !== 'published')
      throw new RunStateError(`Run ${flags.run} is ${state}: only a published run has billing records.`);
    const { readRecordsOfRun } = await import('../../ledger/statements.js');
    await readRecordsOfRun(pool, flags.run, (records) =>
      flags.json ? writeJsonStream({ runId: flags.run }, 'records', records) : exportCsv(records),
    );
  });
}

async function exportCsv(records: AsyncIterable<BillingRecord[]>) {
  await write(csvLine(recordHeader));
  for await (const batch of records) await write(batch.map((record) => csvLine(recordCells(record))).join(''));
}
