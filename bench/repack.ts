/**
 * Measures the bytes of records per call, by the interval between runs: as written by runs, and after `meterfold
 * repack` every hour. Each user makes 20 calls a minute. The rows are inserted directly in the form in which runs write
 * them, so that a day with a run every two seconds does not take a day. A run's rows of a user are the same as with
 * 20,000 users; there are only fewer users and days.
 */
import { expect, test } from 'vitest';
import { repack } from '../src/ledger/repack.js';
import { say } from '../test/support/say.js';
import { freshStack, type Stack } from '../test/support/stack.js';
import { withServers } from './billing.js';
import { machineOf, secondsOf } from './figures.js';

const CALLS_PER_USER_AND_MINUTE = 20;
const BYTES_MAX = 12;

/** The minutes between runs, the total hours, and the hours between passes of repack. */
const INTERVALS = [
  { interval: '2 s', minutes: 1 / 30, hours: 24, passHours: 1, users: 60 },
  { interval: '10 s', minutes: 1 / 6, hours: 24, passHours: 1, users: 60 },
  { interval: '1 min', minutes: 1, hours: 24, passHours: 1, users: 60 },
  { interval: '5 min', minutes: 5, hours: 24, passHours: 1, users: 60 },
  { interval: '1 h', minutes: 60, hours: 48, passHours: 1, users: 30 },
  { interval: '1 day', minutes: 1440, hours: 120, passHours: 24, users: 12 },
] as const;
type Interval = (typeof INTERVALS)[number];

/** Bytes per call of both tables of records, including their indexes. */
interface Sizes {
  interval: string;
  runs: number;
  /** Without repack. */
  asWritten: number;
  /** After the last pass. Rows that runs write after it are a small part of a month. */
  repacked: number;
  cyclesMoved: number;
  /** The duration of all passes. */
  seconds: number;
}

test(`repacked records take at most ${BYTES_MAX} bytes a call, however often calls are billed`, () =>
  withServers(async (servers) => {
    const sizes: Sizes[] = [];
    const stack = await freshStack({ servers });
    const machine = await machineOf(stack.pool);
    try {
      for (const each of INTERVALS) {
        sizes.push(await measure(stack, each));
        const { interval, runs, asWritten, repacked, cyclesMoved, seconds } = sizes.at(-1)!;
        say(
          `${interval}, ${runs} runs: ${asWritten.toFixed(1)} bytes a call, repacked ${repacked.toFixed(1)}; ` +
            `${cyclesMoved} cycles moved in ${seconds.toFixed(2)} s`,
        );
      }
    } finally {
      await stack.close();
    }
    process.stdout.write(`${JSON.stringify({ bench: 'repack', machine, sizes })}\n`);
    for (const { repacked } of sizes) expect(repacked).toBeLessThanOrEqual(BYTES_MAX);
  }));

async function measure(stack: Stack, each: Interval): Promise<Sizes> {
  const { interval, minutes, hours, passHours } = each;
  const runs = Math.round((hours * 60) / minutes);
  const runsPerPass = Math.max(1, Math.round((passHours * 60) / minutes));
  const cycles = await simulate(stack, each, runs);
  const bytesPerCall = async () => (await bytesOf(stack)) / (5 * cycles);

  await empty(stack);
  await publish(stack, 1, runs);
  await stack.pool.query('vacuum analyze meterfold.records');
  const asWritten = await bytesPerCall();

  await empty(stack);
  let cyclesMoved = 0;
  let seconds = 0;
  for (let run = 1; run <= runs; run += runsPerPass) {
    await publish(stack, run, Math.min(runs, run + runsPerPass - 1));
    seconds += await secondsOf(async () => {
      cyclesMoved += (await repack(stack.pool, {})).cycles;
    });
    await stack.pool.query('vacuum analyze meterfold.records');
    await stack.pool.query('vacuum analyze meterfold.repacked_records');
  }
  await stack.pool.query('vacuum full meterfold.records');
  return { interval, runs, asWritten, repacked: await bytesPerCall(), cyclesMoved, seconds };
}

async function empty({ pool }: Stack): Promise<void> {
  await pool.query('truncate meterfold.runs, meterfold.records, meterfold.repacked_records, meterfold.repacks cascade');
}

const NUMBERS = ['usages', 'first_call_ids', 'last_call_ids', 'first_called_micros', 'last_called_micros'];

/**
 * Generates random calls of random users, and the rows that each run would write for them. Returns the number of
 * cycles.
 */
async function simulate({ pool }: Stack, { minutes, users }: Interval, runs: number): Promise<number> {
  const callsPerRun = CALLS_PER_USER_AND_MINUTE * minutes * users;
  const numbers = ['usage', 'first_id', 'last_id', '1800000000000000 + first_id', '1800000000000000 + last_id'];
  // Columns without compression, as in the records.
  await pool.query(`
    drop table if exists public.written;
    create table public.written (like meterfold.records including storage, cycles bigint)`);
  await pool.query(
    `insert into public.written (run_id, first_cycle, user_id, cycles, ${NUMBERS})
       with call as (
         select id, 'user-' || lpad(floor(${users} * random())::text, 7, '0') as user_id, 1 + floor(random() * 100)::bigint as usage
           from generate_series(1, ${Math.round(callsPerRun * runs)}) as id
         offset 0
       ), numbered as (
         select call.*, row_number() over (partition by user_id order by id) - 1 as ordinal from call
       ), cycle as (
         select user_id, ordinal / 5 + 1 as number, sum(usage)::bigint as usage, min(id)::bigint as first_id, max(id)::bigint as last_id,
                ceil(max(id) / ${callsPerRun}::float8)::bigint as run_id
           from numbered
          group by user_id, ordinal / 5
         having count(*) = 5
       ), placed as (
         select cycle.*, (row_number() over (partition by user_id, run_id order by number) - 1) / 96 as row from cycle
       )
       select run_id, min(number) as first_cycle, user_id, count(*) as cycles,
              ${numbers.map((number, index) => `meterfold.concatenated((${number})::bit(64) order by number) as ${NUMBERS[index]}`)}
         from placed
        group by user_id, run_id, row`,
  );
  await pool.query('create index on public.written (run_id)');
  const { rows } = await pool.query<{ cycles: number }>('select sum(cycles)::float8 as cycles from public.written');
  return rows[0]!.cycles;
}

/** Inserts the rows of these runs, and their records in the order in which they were written. */
async function publish({ pool }: Stack, first: number, last: number): Promise<void> {
  await pool.query(
    `insert into meterfold.runs (run_id, state, temporal_address, temporal_namespace, workflow_id, first_execution_run_id, execution_run_id,
            previous_run_id, watermark, seal_position, sealed_end, calls_per_cycle, price_per_unit, currency, proof,
            calls, users, cycles, usage, billed_usage, amount, carried_in_calls, carried_in_usage, carried_out_calls, carried_out_usage,
            published_at)
     overriding system value
     select run, 'published', '', '', run::text, run::text, run::text, nullif(run - 1, 0), run, run + 1, run + 1, 5, 0.0004, 'USD', '{}',
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, now()
       from generate_series($1::bigint, $2::bigint) as run`,
    [first, last],
  );
  await pool.query(
    `insert into meterfold.records (run_id, first_cycle, user_id, ${NUMBERS})
     select run_id, first_cycle, user_id, ${NUMBERS} from public.written where run_id between $1 and $2
      order by run_id, hashtext(user_id), first_cycle`,
    [first, last],
  );
}

async function bytesOf({ pool }: Stack): Promise<number> {
  const { rows } = await pool.query<{ bytes: number }>(
    `select (pg_total_relation_size('meterfold.records') + pg_total_relation_size('meterfold.repacked_records'))::float8 as bytes`,
  );
  return rows[0]!.bytes;
}
