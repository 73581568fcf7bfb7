/** How far billing is behind the log. */
import { one, type Queryable } from './pool.js';

export interface Lag {
  /** Log positions after the watermark up to the last call; gaps are among them, so there may be fewer calls. */
  calls: number;
  /** Age of the first call after the watermark; 0 if there is none. */
  seconds: number;
  /** Of the newest published run, in seconds since 1970; null before the first. */
  lastPublishedAt: number | null;
}

/** A frozen server must not hold the connection of whoever asks now and then. */
const ANSWER_MS_MAX = 5000;

/**
 * Three probes of indexes, however long the log is. A log that is older than meterfold may have no `received_at`, when a call was
 * accepted; `called_at`, which says when it was made, stands in for it.
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
             select extract(epoch from clock_timestamp() -
                            coalesce((to_jsonb(call) ->> 'received_at')::timestamptz, call.called_at))
               from public.api_logs call where id > watermark order by id limit 1), 0))::float8 as seconds,
           (select extract(epoch from published_at) from published)::float8 as "lastPublishedAt"
      from mark`,
};

export async function readLag(db: Queryable): Promise<Lag> {
  return one(await db.query<Lag>(LAG));
}
