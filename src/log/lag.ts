/** The lag: how far billing is behind the log. */
import { one, type Queryable } from '../postgres/pool.js';

export interface Lag {
  /** Log positions after the watermark up to the last call. They include gaps, so there may be fewer calls. */
  calls: number;
  /** The age of the first call after the watermark with a valid time; 0 if there is no call. */
  seconds: number;
  /** Publication of the newest run, in seconds since 1970; null before the first run. */
  lastPublishedAt: number | null;
}

/** A frozen server must not hold the caller's connection: metrics read the lag periodically. */
const ANSWER_MS_MAX = 5000;

/** Calls without a valid time that are read before the lag falls back to the last publication. */
const CALLS_READ_MAX = 100;
/** How far the clocks of writers may be ahead. */
const AHEAD_MAX = '1 minute';

const isValid = (time: string) =>
  `${time} between timestamptz '1970-01-01 00:00:00+00' and clock_timestamp() + interval '${AHEAD_MAX}'`;

/**
 * Reads the lag by index lookups, whatever the length of the log.
 *
 * A call waits since `received_at`. A log that is older than meterfold may not have this column, and a time may be
 * invalid: infinite, in the future, or before 1970. Then `called_at` is used instead. If the first calls have neither,
 * they wait at most since the last publication or, before the first run, since the first migration. So wrong times from
 * a writer neither make the lag infinite nor hide it.
 */
const LAG = {
  query_timeout: ANSWER_MS_MAX,
  text: `
    with published as (
      select sealed_end, published_at from meterfold.runs where state = 'published' order by run_id desc limit 1
    ), mark as (
      select coalesce((select sealed_end from published), 0) as watermark
    )
    select greatest(0, coalesce((select max(id) from public.api_logs), 0) - watermark)::float8 as calls,
           greatest(0, coalesce((
             select extract(epoch from clock_timestamp() - since)
               from (select id, case when ${isValid('received_at')} then received_at
                                     when ${isValid('called_at')} then called_at end as since
                       from (select id, called_at, (to_jsonb(call) ->> 'received_at')::timestamptz as received_at
                               from public.api_logs call where id > watermark order by id limit ${CALLS_READ_MAX}) first) waiting
              where since is not null order by id limit 1), (
             select extract(epoch from clock_timestamp() - coalesce(
                      (select published_at from published), (select min(applied_at) from meterfold.migrations)))
              where exists (select from public.api_logs where id > watermark)), 0))::float8 as seconds,
           (select extract(epoch from published_at) from published)::float8 as "lastPublishedAt"
      from mark`,
};

export async function readLag(db: Queryable): Promise<Lag> {
  return one(await db.query<Lag>(LAG));
}
