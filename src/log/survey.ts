/** Surveys a range of the log before it is divided into partitions: which parts of it contain calls, and how many. */
import { type PositionRange, totalWidth, width } from '../engine/cuts.js';
import { one, prepared, type Queryable } from '../postgres/pool.js';

export interface Survey {
  /** The occupied ranges in ascending order: ranges that contain calls and have no large gaps. */
  occupied: PositionRange[];
  /** The estimated number of calls. */
  calls: number;
}

const RANGES_MAX = 1024;
const RANGES_WANTED = 64n;
/** A range of at most this width is not divided further. */
const RANGE_WIDTH_MIN = 50_000n;
const SAMPLES = 32;
const SAMPLE_WIDTH = 256;

/**
 * Surveys a range by a few dozen index probes, whatever the size of the log. Ids may have gaps of any size, so that
 * equal partitions of the bare range could leave all calls to one partition. If samples show gaps, wide ranges are
 * halved repeatedly, and each half shrinks to its first and last call.
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

async function splitAtGaps(db: Queryable, ranges: PositionRange[]): Promise<PositionRange[]> {
  while (ranges.length < RANGES_MAX) {
    const each = totalWidth(ranges) / RANGES_WANTED;
    const widthMax = each > RANGE_WIDTH_MIN ? each : RANGE_WIDTH_MIN;
    if (ranges.every((range) => width(range) <= widthMax)) break;
    const halves = ranges.flatMap((range) => (width(range) > widthMax ? halve(range) : [range]));
    ranges = await shrink(db, halves);
  }
  return ranges;
}

function halve({ first, last }: PositionRange): PositionRange[] {
  const middle = first + (last - first) / 2n;
  return [
    { first, last: middle },
    { first: middle + 1n, last },
  ];
}

/** Shrinks each range to its first and last call, and drops ranges without calls. */
async function shrink(db: Queryable, ranges: PositionRange[]): Promise<PositionRange[]> {
  const { rows } = await db.query<{ first: string; last: string }>(
    prepared(
      `select edge.first, edge.last
         from unnest($1::bigint[], $2::bigint[]) with ordinality as candidate (first, last, number)
        cross join lateral (
              select (select id from public.api_logs where id between candidate.first and candidate.last order by id limit 1) as first,
                     (select id from public.api_logs where id between candidate.first and candidate.last order by id desc limit 1) as last
              ) edge
        where edge.first is not null
        order by candidate.number`,
      [ranges.map((range) => range.first.toString()), ranges.map((range) => range.last.toString())],
    ),
  );
  return rows.map((row) => ({ first: BigInt(row.first), last: BigInt(row.last) }));
}

/** Estimates the fraction of positions that have a call, from samples of consecutive positions. */
async function sampleDensity(db: Queryable, ranges: PositionRange[]): Promise<number> {
  if (totalWidth(ranges) <= RANGE_WIDTH_MIN) return 1;
  const sampled = Array.from({ length: SAMPLES }, (_, i) => ranges[Math.floor((i * ranges.length) / SAMPLES)]);
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
  // Samples without calls do not prove that there are none.
  return Math.max(1, Number(calls)) / positions;
}
