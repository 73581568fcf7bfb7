/** Rows of records and open cycles: they match the columns of their COPY, and fit into the bytes reserved for them. */
import { describe, expect, test } from 'vitest';
import { BUCKETS, RECORD_CYCLES_MAX } from '../../../src/engine/layout.js';
import { PartitionMap } from '../../../src/engine/map.js';
import { BucketFold, type CycleSink, type FoldedUser, type OpenCycle } from '../../../src/engine/reduce.js';
import { appendOpenCycle, OPEN_CYCLES_COPY } from '../../../src/ledger/open-cycles.js';
import { appendRecord, RECORDS_COPY } from '../../../src/ledger/records.js';
import { BINARY_HEADER } from '../../../src/postgres/copy/copy-in.js';
import { RowBuffer } from '../../../src/postgres/copy/row-buffer.js';
import { call } from '../engine/calls.js';
import type { Call } from '../engine/oracle.js';
import { billNaively } from '../engine/oracle.js';
import { foldKernel, indexOf, mapPartition, openSegment } from '../engine/pipeline.js';
import { type Field, int2, int8, int8s, rowsOf, text } from '../postgres/copy-decoder.js';

const CHUNK_BYTES = 256 * 1024;
const CALLS_PER_CYCLE = 2;
/** Microseconds from 1970, the epoch of records, to 2000, the epoch of calls. */
const SINCE_1970 = 946_684_800_000_000n;
const ALL = { first: 0, end: BUCKETS };

function columnsOf(sql: string): string[] {
  return /\(([^)]+)\)/
    .exec(sql)![1]!
    .split(',')
    .map((column) => column.trim());
}

/** Returns rows as objects by the columns of the COPY. */
function named(sql: string, rows: Field[][]): Record<string, Field>[] {
  const columns = columnsOf(sql);
  return rows.map((fields) => {
    expect(fields).toHaveLength(columns.length);
    return Object.fromEntries(fields.map((field, i) => [columns[i], field]));
  });
}

/** Folds a log in which each user carries in the same open cycle. */
function foldAll(
  calls: readonly Call[],
  callsPerCycle: number,
  sink: CycleSink,
  { see = () => {}, carriedIn }: { see?: (user: FoldedUser) => void; carriedIn?: OpenCycle } = {},
): void {
  const { spills } = mapPartition(
    new PartitionMap(calls.length),
    0,
    { first: calls[0]!.id, last: calls.at(-1)!.id },
    calls,
  );
  const segments = spills.map((spill) => openSegment(indexOf(spill, ALL), ALL, spill.data));
  const fold = new BucketFold(foldKernel, callsPerCycle, sink);
  for (let bucket = ALL.first; bucket < ALL.end; bucket++) {
    fold.clear();
    fold.begin(segments, bucket, { next: () => carriedIn });
    while (fold.foldNext());
    fold.close(see);
  }
}

async function recordsOf(calls: readonly Call[], runId: number, rows = new RowBuffer()) {
  foldAll(calls, CALLS_PER_CYCLE, (user, closed) => appendRecord(rows, runId, user, closed));
  return named(RECORDS_COPY, await rowsOf(rows));
}

/** The encoded size of a row. */
function bytesOf(row: Record<string, Field>): number {
  return 2 + Object.values(row).reduce((sum, field) => sum + 4 + (field?.length ?? 0), 0);
}

/** A buffer whose first row leaves `bytes` bytes of its chunk. */
function leaving(bytes: number, columns: number): RowBuffer {
  const head = 2 + 4 * columns;
  const filler = new Uint8Array(CHUNK_BYTES - BINARY_HEADER.length - head - bytes);
  const rows = new RowBuffer();
  rows.beginRow(columns, head + filler.length);
  rows.text(filler, 0, filler.length);
  for (let column = 1; column < columns; column++) rows.null();
  return rows;
}

describe('a row of records', () => {
  test('packs the cycles of a user', async () => {
    const calls = Array.from({ length: CALLS_PER_CYCLE * (RECORD_CYCLES_MAX + 2) }, (_, i) =>
      call(i + 1, 'Zoë', 10n ** 15n - BigInt(i)),
    );
    const records = await recordsOf(calls, 2 ** 40);
    const cycles = billNaively(calls, CALLS_PER_CYCLE).cycles;
    const packed = [cycles.slice(0, RECORD_CYCLES_MAX), cycles.slice(RECORD_CYCLES_MAX)];
    expect(records).toHaveLength(2);
    for (const [i, record] of records.entries()) {
      const own = packed[i]!;
      expect(int8(record.run_id!)).toBe(2n ** 40n);
      expect(int8(record.first_cycle!)).toBe(BigInt(own[0]!.number));
      expect(text(record.user_id!)).toBe(own[0]!.user);
      expect(int8s(record.usages!)).toEqual(own.map(({ usage }) => usage));
      expect(int8s(record.first_call_ids!)).toEqual(own.map(({ firstId }) => firstId));
      expect(int8s(record.last_call_ids!)).toEqual(own.map(({ lastId }) => lastId));
      expect(int8s(record.first_called_micros!)).toEqual(own.map(({ firstCalledAt }) => firstCalledAt + SINCE_1970));
      expect(int8s(record.last_called_micros!)).toEqual(own.map(({ lastCalledAt }) => lastCalledAt + SINCE_1970));
    }
  });

  test('with the longest user and the most cycles is never divided, however little room the chunk has', async () => {
    const calls = Array.from({ length: CALLS_PER_CYCLE * RECORD_CYCLES_MAX }, (_, i) => call(i + 1, 'x'.repeat(256)));
    const [alone] = await recordsOf(calls, 1);
    for (const missing of [1, 2, 3, 4, 5, 8, 12, 16, 24, 64]) {
      const records = await recordsOf(calls, 1, leaving(bytesOf(alone!) - missing, 8));
      expect(records).toHaveLength(2);
      expect(records[1]).toEqual(alone);
    }
  });
});

describe('a row of open cycles', () => {
  /**
   * The rows of a user that carries in an open cycle and makes a call of usage 1 with the largest id; 1,000 calls close
   * a cycle.
   */
  async function openCyclesOf(name: string, carriedIn: OpenCycle, rows = new RowBuffer()) {
    const see = (user: FoldedUser) => appendOpenCycle(rows, 7, user);
    foldAll([call(2n ** 63n - 1n, name, 1)], 1000, () => {}, { see, carriedIn });
    return named(OPEN_CYCLES_COPY, await rowsOf(rows));
  }

  const carriedIn = {
    cycle: 2n ** 40n + 1n,
    calls: 998,
    usage: 998n * 10n ** 15n,
    firstCallId: 2n ** 62n + 3n,
    firstCalledAt: -5n,
  };

  test('has the open cycle of the user', async () => {
    const [openCycle] = (await openCyclesOf('alice', carriedIn)) as [Record<string, Field>];
    expect(int8(openCycle.run_id!)).toBe(7n);
    expect(int8(openCycle.next_cycle!)).toBe(2n ** 40n + 1n);
    expect(int8(openCycle.usage!)).toBe(998n * 10n ** 15n + 1n);
    expect(int8(openCycle.first_call_id!)).toBe(2n ** 62n + 3n);
    expect(int8(openCycle.first_called_at!)).toBe(-5n);
    expect(int2(openCycle.calls!)).toBe(999);
    expect(text(openCycle.user_id!)).toBe('alice');
  });

  test('without calls has no first call', async () => {
    // The kernel still has the first call of the last cycle.
    const [openCycle] = (await openCyclesOf('alice', { ...carriedIn, calls: 999 })) as [Record<string, Field>];
    expect([openCycle.first_call_id, openCycle.first_called_at]).toEqual([null, null]);
    expect([int8(openCycle.next_cycle!), int8(openCycle.usage!), int2(openCycle.calls!)]).toEqual([
      2n ** 40n + 2n,
      0n,
      0,
    ]);
  });

  test('with the longest user is never divided, however little room the chunk has', async () => {
    const append = (rows: RowBuffer) => openCyclesOf('x'.repeat(256), carriedIn, rows);
    const [alone] = await append(new RowBuffer());
    for (const missing of [1, 2, 3, 4, 5, 8, 12, 16, 24, 64]) {
      const openCycles = await append(leaving(bytesOf(alone!) - missing, 7));
      expect(openCycles).toHaveLength(2);
      expect(openCycles[1]).toEqual(alone);
    }
  });
});
