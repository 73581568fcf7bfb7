/**
 * Where calls lie on disk. Those of a partition that lie one behind the other in the order of the log need no index: the pages from the
 * first to the last are read as they are, which is a fifth less work for the server.
 */
import { type PositionRange, width } from '../engine/cuts.js';
import { type Client, one, prepared } from '../postgres/pool.js';

/** Pages of a table, both included, quoted for a statement's text. */
export interface PageRange {
  table: string;
  firstPage: number;
  lastPage: number;
}

/** How many times as many pages as its calls may take, as far as the samples tell, a stretch may have: it is read as a whole. */
const PAGES_FACTOR = 2;
const PAGES_MIN = 16;
const SAMPLES = 8;
const SAMPLE_CALLS = 64;

/**
 * The stretch in which the calls of a partition lie, if as far as a few samples show they lie in one, and in their order: there may be
 * others between them, and some of them elsewhere.
 */
export async function findPageRange(client: Client, { first, last }: PositionRange): Promise<PageRange | undefined> {
  const starts = Array.from(
    { length: SAMPLES },
    (_, sample) => first + (width({ first, last }) * BigInt(sample)) / BigInt(SAMPLES),
  );
  const ends = [...starts.slice(1).map((start) => start - 1n), last];
  // A partition of the log is read by its own name, for which a right to the whole log is not enough, and its own policies apply.
  const { inOrder, table, firstPlace, lastPlace, pagesPerCall } = one(
    await client.query<{
      inOrder: boolean;
      table: string | null;
      firstPlace: string;
      lastPlace: string;
      pagesPerCall: number;
    }>(
      prepared(
        `with sampled as (
          select call.id, call.relation, call.place
            from unnest($1::bigint[], $2::bigint[]) as stretch (first, last)
           cross join lateral (
                 select id, tableoid as relation, ctid as place
                   from public.api_logs
                  where id >= stretch.first and id <= stretch.last
                  order by id
                  limit ${SAMPLE_CALLS}) call
          union
          (select id, tableoid, ctid
             from public.api_logs
            where id >= $3 and id <= $4
            order by id desc
            limit 1)
        ), neighbours as (
          select relation, place, lag(relation) over log as relation_before, lag(place) over log as place_before
            from sampled
          window log as (order by id)
        )
        select bool_and(relation_before is null or (relation = relation_before and place > place_before))
                 and (min(relation) = 'public.api_logs'::regclass or has_table_privilege(min(relation), 'select'))
                 and not row_security_active(min(relation)) as "inOrder",
               min(relation)::regclass::text as table, min(place)::text as "firstPlace", max(place)::text as "lastPlace",
               count(distinct (place::text::point)[0]) / greatest(count(*), 1)::float8 as "pagesPerCall"
          from neighbours`,
        [starts.map(String), ends.map(String), first.toString(), last.toString()],
      ),
    ),
  );
  if (!inOrder || table === null) return undefined;
  const stretch = { table, firstPage: pageOf(firstPlace), lastPage: pageOf(lastPlace) };
  // A call in a page of old that had room left would make it as long as the history.
  const pagesMax = PAGES_MIN + PAGES_FACTOR * pagesPerCall * Number(width({ first, last }));
  return stretch.lastPage - stretch.firstPage < pagesMax ? stretch : undefined;
}

/** Of a row's place, "(page,line)". */
function pageOf(place: string): number {
  return Number(/^\((\d+),\d+\)$/.exec(place)![1]);
}
