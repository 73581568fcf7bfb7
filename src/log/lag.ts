/** How far billing is behind the log. */
import { one, type Queryable } from '../postgres/pool.js';

export interface Lag {
  /** Log positions after the watermark up to the last call; gaps are among them, so there may be fewer calls. */
  calls: number;
  /** Age of the first call after the watermark that has a usable time; 0 if no call waits. */
  seconds: number;
  /** Of the newest published run, in seconds since 1970; null before the first. */
  lastPublishedAt: number | null;
}

/** A frozen server must not hold the connection of whoever asks now and then. */
const ANSWER_MS_MAX = 5000;

/** Calls without a usable time that are read before the lag falls back to the last publish. */
const CALLS_LOOKED_AT = 100;
/** Clocks of those who write may be ahead by so much. */
const AHEAD_MAX = '1 minute';

const usable = (time: string) =>
  `${time} between timestamptz '1970-01-01 00:00:00+00' and clock_timestamp() + interval '${AHEAD_MAX}'`;

/**
 * Probes of indexes, however long the log is. A log that is older than meterfold may have no `received_at`, when a call was accepted;
 * `called_at`, which says when it was made, stands in for it, as it does for a time that can't be right: infinite, in the future, or
 * before 1970. Where the first calls have neither, they wait since the last run was published, at most; before the first, since
 * meterfold's tables were made. So a writer's wrong times neither make the lag infinite nor hide it.
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
               from (select id, case when ${usable('received_at')} then received_at
                                     when ${usable('called_at')} then called_at end as since
                       from (select id, called_at, (to_jsonb(call) ->> 'received_at')::timestamptz as received_at
                               from public.api_logs call where id > watermark order by id limit ${CALLS_LOOKED_AT}) first) waiting
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
