/** What there is in a range of the log, before it is cut into partitions. */
import { type PositionRange, totalWidth, width } from '../engine/cuts.js';
import { one, prepared, type Queryable } from '../postgres/pool.js';

export interface Survey {
  /** The stretches of it that hold calls. */
  occupied: PositionRange[];
  /** How many calls there are, as far as samples show. */
  calls: number;
}

const RANGES_MAX = 1024;
const RANGES_WANTED = 64n;
/** A stretch this narrow is not looked into any further. */
const RANGE_WIDTH_MIN = 50_000n;
const SAMPLES = 32;
const SAMPLE_WIDTH = 256;

/**
 * Surveys a range by a few dozen probes, whatever the size of the log. Ids may have gaps of any size; a cut of the bare range could give
 * one partition all the calls. So where samples show any gap, wide stretches are halved, and each half shrinks to its own first and
 * last call, found by the index.
 */
export async function surveyRange(db: Queryable, range: PositionRange): Promise<Survey> {
  if (range.first > range.last) return { occupied: [], calls: 0 };
  let occupied = await shrink(db, [range]);
  let density = await sampleDensity(db, occupied);
  if (density < 1) {
    occupied = await splitAtGaps(db, occupied);
    density = await sampleDensity(db, occupied);
  }
  return { occupied, calls: Math.ceil(Number(totalWidth(occupied)) * density) };
}

async function splitAtGaps(db: Queryable, occupied: PositionRange[]): Promise<PositionRange[]> {
  while (occupied.length < RANGES_MAX) {
    const each = totalWidth(occupied) / RANGES_WANTED;
    const widthMax = each > RANGE_WIDTH_MIN ? each : RANGE_WIDTH_MIN;
    if (occupied.every((range) => width(range) <= widthMax)) break;
    const halves = occupied.flatMap((range) => (width(range) > widthMax ? halve(range) : [range]));
    occupied = await shrink(db, halves);
  }
  return occupied;
}

function halve({ first, last }: PositionRange): PositionRange[] {
  const middle = first + (last - first) / 2n;
  return [
    { first, last: middle },
    { first: middle + 1n, last },
  ];
}

async function shrink(db: Queryable, occupied: PositionRange[]): Promise<PositionRange[]> {
  const { rows } = await db.query<{ first: string; last: string }>(
    prepared(
      `select edge.first, edge.last
         from unnest($1::bigint[], $2::bigint[]) with ordinality as range (first, last, number)
        cross join lateral (
              select (select id from public.api_logs where id between range.first and range.last order by id limit 1) as first,
                     (select id from public.api_logs where id between range.first and range.last order by id desc limit 1) as last
              ) edge
        where edge.first is not null
        order by range.number`,
      [occupied.map((range) => range.first.toString()), occupied.map((range) => range.last.toString())],
    ),
  );
  return rows.map((row) => ({ first: BigInt(row.first), last: BigInt(row.last) }));
}

/** What part of the positions in the occupied have calls, by a few samples of them. */
async function sampleDensity(db: Queryable, occupied: PositionRange[]): Promise<number> {
  if (totalWidth(occupied) <= RANGE_WIDTH_MIN) return 1;
  const sampled = Array.from({ length: SAMPLES }, (_, i) => occupied[Math.floor((i * occupied.length) / SAMPLES)]);
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
