/**
 * Cycles against the log: each user's calls up to the watermark, numbered in their order, give the cycles that must have been
 * published and the one that must be open; both are compared with what is stored, both ways. Where the log was released up to a point,
 * calls are numbered on from each user's open cycle there (meterfold.retained_open_cycles).
 *
 * Users come slice by slice, by the hash of their id: the log is read once a slice, and what has to be sorted at a time stays
 * near the memory that a sort may take.
 */
import { type Client, one } from '../postgres/pool.js';
import { PROMISES } from './quarantine.js';
import { micros } from './retention-figures.js';
import type { Difference, Scope } from './scope.js';

const SLICE_CALLS = 2_500_000;
const SLICES_MAX = 32;

/** What a slice has found; the users of each run by its place, which is their sum over all slices. */
interface SliceRow {
  users: string;
  cycles: string;
  usersOfRuns: Record<string, number>;
  differences: Difference[];
}

export class SlicesCheck {
  /** A power of two. */
  readonly count: number;
  readonly #scope: Scope;
  readonly #usersOfRuns: number[];
  #users = 0n;
  #cycles = 0n;

  constructor(scope: Scope) {
    this.#scope = scope;
    const { history, runId } = scope;
    this.#usersOfRuns = history.runs.map(() => 0);
    const published = history.runs.length > 0 || history.retained !== undefined;
    const ended = runId === undefined ? published : history.runIds.includes(runId);
    const rows = history.calls + (history.retained?.users ?? 0);
    const wanted = Math.min(SLICES_MAX, Math.ceil(rows / SLICE_CALLS));
    this.count = ended ? 2 ** Math.ceil(Math.log2(Math.max(1, wanted))) : 0;
  }

  /** Users and cycles checked so far, open ones among them. */
  get users(): string {
    return String(this.#users);
  }
  get cycles(): string {
    return String(this.#cycles);
  }

  numbers(): number[] {
    return Array.from({ length: this.count }, (_, number) => number);
  }

  async check(client: Client, number: number): Promise<Difference[]> {
    const { history, runId, differencesMax } = this.#scope;
    const run = history.runs.find((candidate) => candidate.runId === runId);
    // PostgreSQL expects a two-hundredth of a slice's rows, and might compare users one by one with each other.
    if (history.retained !== undefined) await client.query('set local enable_nestloop = off');
    const slice = one(
      await client.query<SliceRow>(sliceSql({ oneRun: run !== undefined, retained: history.retained !== undefined }), [
        this.count - 1,
        number,
        history.watermark,
        history.callsPerCycle,
        history.starts,
        history.runIds,
        history.newestAfter,
        history.keepsSuperseded,
        differencesMax,
        history.keepsOpenCycles,
        history.after,
        history.released.map((released) => released.runId),
        ...(run === undefined ? [] : [run.runId, run.watermark, run.sealedEnd]),
      ]),
    );
    if (history.retained !== undefined) await client.query('reset enable_nestloop');
    this.#users += BigInt(slice.users);
    this.#cycles += BigInt(slice.cycles);
    for (const [place, users] of Object.entries(slice.usersOfRuns)) this.#usersOfRuns[Number(place) - 1]! += users;
    return slice.differences;
  }

  /** The users of each run, once all slices are counted, against what the runs say. */
  async compareUsers(client: Client): Promise<Difference[]> {
    const { history, runId, differencesMax } = this.#scope;
    const { rows } = await client.query<Difference>(
      `select 'runs' as "check", run.run_id as run, null as "user", null as cycle, null as call,
              'users' as "column", counted.users::text as expected, run.users::text as found
         from unnest($1::bigint[], $2::bigint[]) as counted (run_id, users)
         join meterfold.runs run on run.run_id = counted.run_id and run.state = 'published'
        where run.users is distinct from counted.users and ($3::bigint is null or run.run_id = $3)
        order by run.run_id
        limit $4`,
      [history.runIds, this.#usersOfRuns, runId ?? null, differencesMax],
    );
    return rows;
  }
}

/** One of a record's numbers, at `own.place`; null where there is none. Not meterfold.number_at, which the views stand on. */
const numberAt = (column: string) => `nullif(substring(packed.${column}, 64 * own.place - 63, 64), B'')::bigint`;

/** Which run has closed the cycle of a repacked row at `own.place`. Not meterfold.run_at, which the views stand on. */
const runAt = `nullif(substring(packed.run_ids, 64 * bit_count(substring(packed.run_starts, 1, own.place))::integer - 63, 64), B'')::bigint`;

/** Of the longest string of a row, if they are not equally long. */
const PLACES = `
           select generate_series(1, (greatest(length(packed.usages), length(packed.first_call_ids), length(packed.last_call_ids),
                                               length(packed.first_called_micros), length(packed.last_called_micros)) + 63) / 64) as place
            limit 96`;

/** A row's cycles; `table` gives `packed`, `run` the run of one. */
const cyclesOf = (table: string, run: string, condition: string) => `
    select packed.user_id, packed.first_cycle + own.place - 1 as number, ${run} as run_id,
           ${numberAt('usages')} as usage, ${numberAt('first_call_ids')} as first_id, ${numberAt('last_call_ids')} as last_id,
           ${numberAt('first_called_micros')} as first_micros, ${numberAt('last_called_micros')} as last_micros
      from ${table} packed
     cross join lateral (${PLACES}) own
     where hashtextextended(packed.user_id, 0) & $1::bigint = $2 ${condition}`;

/** The state at the retained point, as the first of the statement's parts. */
const KEPT = `
  kept as (
    select * from meterfold.retained_open_cycles where hashtextextended(user_id, 0) & $1::bigint = $2
  ),`;

/** A cycle that was open at the retained point, with the calls that it had there. */
const CONTINUED = `
  cycle as materialized (
    select own.user_id, own.number, own.calls + coalesce(kept.calls, 0) as calls, own.usage + coalesce(kept.usage, 0) as usage,
           coalesce(kept.first_call_id, own.first_id) as first_id, own.last_id,
           coalesce(kept.first_called_at, own.first_at) as first_at, own.last_at, own.is_last,
           own.calls_before + coalesce(kept.calls, 0) as calls_before, own.usage_before + coalesce(kept.usage, 0) as usage_before,
           own.last_id_before, own.is_last_before, own.last_in, own.first_id as first_seen_id
      from counted own
      left join kept on kept.user_id = own.user_id and kept.next_cycle = own.number and kept.calls > 0
  ), kept_unseen as (
    select kept.* from kept where not exists (select from cycle where cycle.user_id = kept.user_id)
  ),`;

/** Open cycles as they were at the retained point: of users without calls since, and those that only the newest run has superseded. */
const KEPT_OPEN_CYCLES = `
    union all
    select user_id, run_id, $10::boolean, false, next_cycle, calls, usage, first_call_id, first_called_at
      from kept_unseen
    union all
    select kept.user_id, kept.run_id, $8::boolean, false, kept.next_cycle, kept.calls, kept.usage, kept.first_call_id,
           kept.first_called_at
      from kept
      join (select user_id, min(first_seen_id) as first_id from cycle group by user_id) seen using (user_id)
     where seen.first_id > $7::bigint`;

/** Open cycles from before the retained point that the run there has superseded may remain until the next run; nobody reads them. */
const NOT_SUPERSEDED = `
           and not exists (select from kept
                            where kept.user_id = stored.user_id and stored.run_id < kept.run_id and $11::bigint = $3::bigint)`;

/**
 * $1 mask and $2 value of the slice, $3 watermark, $4 calls a cycle, $5 first log positions and $6 ids of the runs, $7 where the
 * newest run begins, $8 whether the open cycles that it has superseded must be there, $9 limit, $10 whether its own must, $11 the retained
 * position or 0, $12 the ids of the runs up to there; for one run: $13 its id, ($14, $15] its range.
 */
const sliceSql = ({ oneRun, retained }: { oneRun: boolean; retained: boolean }) => `
  with ${retained ? KEPT : ''} call as (
    select id, user_id collate "C" as user_id, usage, called_at, hashtextextended(user_id collate "C", 0) as hash
      from public.api_logs
     where id > $11::bigint and hashtextextended(user_id collate "C", 0) & $1::bigint = $2
           ${oneRun ? 'and user_id in (select user_id from public.api_logs where id > $14 and id <= $15)' : ''}
    -- A fence: of other slices' calls only the user is looked at.
    offset 0
  ), numbered as (
    -- By the hash first: most comparisons of the sort are then of numbers.
    select hash, user_id, id, usage, called_at, ${retained ? 'coalesce(kept.next_cycle, 1)' : '1'} as first_cycle,
           ${retained ? 'coalesce(kept.calls, 0) + ' : ''}row_number() over log_order - 1 as ordinal,
           lead(id) over log_order as next_id
      from (select * from call where id <= $3::bigint and ${PROMISES}) call
           ${retained ? 'left join (select user_id, next_cycle, calls from kept) kept using (user_id)' : ''}
    window log_order as (partition by hash, user_id order by id)
  ), ${retained ? 'counted' : 'cycle'} as materialized (
    select user_id, first_cycle + ordinal / $4::bigint as number,
           count(*) as calls, sum(usage) as usage, min(id) as first_id, max(id) as last_id,
           min(called_at) filter (where ordinal % $4 = 0) as first_at,
           min(called_at) filter (where ordinal % $4 = $4 - 1) as last_at,
           bool_or(next_id is null) as is_last,
           -- As the cycle was before the newest run.
           count(*) filter (where id <= $7) as calls_before, sum(usage) filter (where id <= $7) as usage_before,
           max(id) filter (where id <= $7) as last_id_before, bool_or(id <= $7 and next_id > $7) as is_last_before,
           -- The places of the runs that have seen their last call of the user in it.
           array_agg(width_bucket(id, $5::bigint[]))
             filter (where next_id is null or next_id >= ($5::bigint[])[width_bucket(id, $5::bigint[]) + 1]) as last_in
      from numbered
     group by hash, user_id, first_cycle, ordinal / $4
  ), ${retained ? CONTINUED : ''} closed as (
    select user_id, number, usage, first_id, last_id, ${micros('first_at')} as first_micros, ${micros('last_at')} as last_micros,
           ($6::bigint[])[width_bucket(last_id, $5::bigint[])] as run_id
      from cycle
     where calls = $4
  ), expected_open_cycle as (
    select user_id, ($6::bigint[])[width_bucket(last_id, $5::bigint[])] as run_id, $10::boolean as required, calls = $4 as is_closed,
           number, calls, usage, first_id, first_at
      from cycle
     where is_last
    union all
    select user_id, ($6::bigint[])[width_bucket(last_id_before, $5::bigint[])], $8::boolean, calls_before = $4,
           number, calls_before, usage_before, first_id, first_at
      from cycle
     where is_last_before
    ${retained ? KEPT_OPEN_CYCLES : ''}
  ), open_cycle as (
    select user_id, run_id, required, number + is_closed::integer as next_cycle,
           case when is_closed then 0 else calls end as calls, case when is_closed then 0 else usage end as usage,
           case when not is_closed then first_id end as first_id, case when not is_closed then first_at end as first_at
      from expected_open_cycle
  ), published as (
    select unnest($6::bigint[]) as run_id
  ), released as (
    select unnest($12::bigint[]) as run_id
  ), record_found as (
    select stored.*
      from (${cyclesOf('only meterfold.records', 'packed.run_id', oneRun ? 'and packed.run_id = $13' : '')}
            union all${cyclesOf('meterfold.repacked_records', runAt, oneRun ? `and meterfold.run_range(packed.run_ids, packed.run_id) @> $13::bigint` : '')}
           ) stored
      join published using (run_id)
     ${oneRun ? 'where stored.run_id = $13' : ''}
  ), open_cycle_found as (
    select stored.*
      from meterfold.open_cycles stored
      join (select run_id from published union all select run_id from released) ended using (run_id)
     where hashtextextended(stored.user_id, 0) & $1::bigint = $2 ${oneRun ? 'and stored.run_id = $13' : ''}
           ${retained ? NOT_SUPERSEDED : ''}
  ), record_difference as (
    select 'records' as "check", coalesce(found.run_id, expected.run_id)::text as run, user_id as "user", number::text as cycle,
           null as call, item.*
      from (select * from closed ${oneRun ? 'where run_id = $13' : ''}) expected
      full join record_found found using (user_id, number)
     cross join lateral (
           select null as "column", format('calls %s to %s, usage %s', expected.first_id, expected.last_id, expected.usage) as expected,
                  null as found
            where found.run_id is null
           union all
           select null, null, format('calls %s to %s, usage %s', found.first_id, found.last_id, found.usage)
            where expected.run_id is null
           union all
           select differing.*
             from (values ('usages', expected.usage::text, found.usage::text),
                          ('first_call_ids', expected.first_id::text, found.first_id::text),
                          ('last_call_ids', expected.last_id::text, found.last_id::text),
                          ('first_called_micros', expected.first_micros::text, found.first_micros::text),
                          ('last_called_micros', expected.last_micros::text, found.last_micros::text),
                          ('run_id', expected.run_id::text, found.run_id::text)
                  ) as differing ("column", expected, found)
            where found.run_id is not null and expected.run_id is not null and differing.expected is distinct from differing.found
           ) item
     where (expected.run_id, expected.usage, expected.first_id, expected.last_id, expected.first_micros, expected.last_micros)
           is distinct from (found.run_id, found.usage, found.first_id, found.last_id, found.first_micros, found.last_micros)
     order by user_id, number
     limit $9
  ), open_cycle_difference as (
    select 'open_cycles' as "check", run_id::text as run, user_id as "user", null as cycle, null as call, item.*
      from (select * from open_cycle ${oneRun ? 'where run_id = $13' : ''}) expected
      full join open_cycle_found found using (user_id, run_id)
     cross join lateral (
           select null as "column", format('%s calls of cycle %s', expected.calls, expected.next_cycle) as expected, null as found
            where found.next_cycle is null and expected.required
           union all
           select null, null, format('%s calls of cycle %s', found.calls, found.next_cycle)
            where expected.next_cycle is null
           union all
           select differing.*
             from (values ('next_cycle', expected.next_cycle::text, found.next_cycle::text),
                          ('calls', expected.calls::text, found.calls::text),
                          ('usage', expected.usage::text, found.usage::text),
                          ('first_call_id', expected.first_id::text, found.first_call_id::text),
                          ('first_called_at', expected.first_at::text, found.first_called_at::text)
                  ) as differing ("column", expected, found)
            where found.next_cycle is not null and expected.next_cycle is not null
              and differing.expected is distinct from differing.found
           ) item
     where (expected.next_cycle, expected.calls, expected.usage, expected.first_id, expected.first_at)
           is distinct from (found.next_cycle, found.calls, found.usage, found.first_call_id, found.first_called_at)
     order by user_id, run_id
     limit $9
  )
  select (select count(*) from cycle where is_last) ${retained && !oneRun ? '+ (select count(*) from kept_unseen)' : ''} as users,
         (select count(*) from closed ${oneRun ? 'where run_id = $13' : ''}) as cycles,
         (select coalesce(json_object_agg(place, users), '{}')
            from (select place, count(*) as users from cycle, unnest(last_in) as place group by place) own) as "usersOfRuns",
         (select coalesce(json_agg(difference), '[]')
            from (select * from record_difference union all select * from open_cycle_difference) difference) as differences`;
