/** What there is in a range of the log, before it is cut into partitions. */
import { type Positions, totalWidth, width } from '../engine/cuts.js';
import { one, prepared, type Queryable } from '../postgres/pool.js';

export interface Survey {
  /** The stretches of it that hold calls. */
  extents: Positions[];
  /** How many calls there are, as far as samples show. */
  calls: number;
}

const EXTENTS_MAX = 1024;
const EXTENTS_WANTED = 64n;
/** A stretch this narrow is not looked into any further. */
const EXTENT_WIDTH_MIN = 50_000n;
const SAMPLES = 32;
const SAMPLE_WIDTH = 256;

/**
 * Surveys a range by a few dozen probes, whatever the size of the log. Ids may have gaps of any size; a cut of the bare range could give
 * one partition all the calls. So where samples show any gap, wide stretches are halved, and each half shrinks to its own first and
 * last call, found by the index.
 */
export async function surveyRange(db: Queryable, range: Positions): Promise<Survey> {
  if (range.first > range.last) return { extents: [], calls: 0 };
  let extents = await shrink(db, [range]);
  let density = await sampleDensity(db, extents);
  if (density < 1) {
    extents = await splitAtGaps(db, extents);
    density = await sampleDensity(db, extents);
  }
  return { extents, calls: Math.ceil(Number(totalWidth(extents)) * density) };
}

async function splitAtGaps(db: Queryable, extents: Positions[]): Promise<Positions[]> {
  while (extents.length < EXTENTS_MAX) {
    const each = totalWidth(extents) / EXTENTS_WANTED;
    const widthMax = each > EXTENT_WIDTH_MIN ? each : EXTENT_WIDTH_MIN;
    if (extents.every((extent) => width(extent) <= widthMax)) break;
    const halves = extents.flatMap((extent) => (width(extent) > widthMax ? halve(extent) : [extent]));
    extents = await shrink(db, halves);
  }
  return extents;
}

function halve({ first, last }: Positions): Positions[] {
  const middle = first + (last - first) / 2n;
  return [
    { first, last: middle },
    { first: middle + 1n, last },
  ];
}

async function shrink(db: Queryable, extents: Positions[]): Promise<Positions[]> {
  const { rows } = await db.query<{ first: string; last: string }>(
    prepared(
      `select edge.first, edge.last
         from unnest($1::bigint[], $2::bigint[]) with ordinality as extent (first, last, number)
        cross join lateral (
              select (select id from public.api_logs where id between extent.first and extent.last order by id limit 1) as first,
                     (select id from public.api_logs where id between extent.first and extent.last order by id desc limit 1) as last
              ) edge
        where edge.first is not null
        order by extent.number`,
      [extents.map((extent) => extent.first.toString()), extents.map((extent) => extent.last.toString())],
    ),
  );
  return rows.map((row) => ({ first: BigInt(row.first), last: BigInt(row.last) }));
}

/** What part of the positions in the extents have calls, by a few samples of them. */
async function sampleDensity(db: Queryable, extents: Positions[]): Promise<number> {
  if (totalWidth(extents) <= EXTENT_WIDTH_MIN) return 1;
  const sampled = Array.from({ length: SAMPLES }, (_, i) => extents[Math.floor((i * extents.length) / SAMPLES)]);
  const starts = sampled.map(({ first, last }, i) => first + ((last - first) * BigInt(i)) / BigInt(SAMPLES));
  const ends = starts.map((start, i) => {
    const end = start + BigInt(SAMPLE_WIDTH - 1);
    return end < sampled[i].last ? end : sampled[i].last;
  });
  const { calls } = one(
    await db.query<{ calls: string }>(
      prepared(
        `select coalesce(sum(own.calls), 0) as calls
           from unnest($1::bigint[], $2::bigint[]) as sample (first, last)
          cross join lateral (select count(*) as calls from public.api_logs where id between sample.first and sample.last) own`,
        [starts.map(String), ends.map(String)],
      ),
    ),
  );
  const positions = starts.reduce((sum, start, i) => sum + Number(ends[i] - start + 1n), 0);
  // None sampled does not mean that there are none.
  return Math.max(1, Number(calls)) / positions;
}
