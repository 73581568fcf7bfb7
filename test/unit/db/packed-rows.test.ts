/** Billing records and tails as they go to PostgreSQL: the columns of their COPY, in its order, and within the bytes reserved. */
import { describe, expect, test } from 'vitest';
import { BINARY_HEADER } from '../../../src/db/copy-in.js';
import { appendRecord, recordsCopy } from '../../../src/db/records.js';
import { RowBuffer } from '../../../src/db/row-buffer.js';
import { appendTail, tailsCopy } from '../../../src/db/tails.js';
import { BucketUsers } from '../../../src/domain/bucket-users.js';
import { PartitionMap } from '../../../src/domain/map.js';
import { BucketFold, type OpenCycle, RECORD_CYCLES_MAX } from '../../../src/domain/reduce.js';
import { BUCKETS } from '../../../src/domain/segment.js';
import { call } from '../domain/calls.js';
import type { Call } from '../domain/oracle.js';
import { billNaively } from '../domain/oracle.js';
import { halves, mapPartition, sliceOf } from '../domain/pipeline.js';
import { type Field, int2, int8, int8s, rowsOf, text } from './copy-decoder.js';

const CHUNK_BYTES = 256 * 1024;
const CALLS_PER_CYCLE = 2;
/** Microseconds from 1970, where the times of records begin, to 2000, where those of calls do. */
const SINCE_1970 = 946_684_800_000_000n;
const ALL = { first: 0, end: BUCKETS };

function columnsOf(sql: string): string[] {
  return /\(([^)]+)\)/
    .exec(sql)![1]!
    .split(',')
    .map((column) => column.trim());
}

/** Rows as objects, by the columns that the COPY names. */
function named(sql: string, rows: Field[][]): Record<string, Field>[] {
  const columns = columnsOf(sql);
  return rows.map((fields) => {
    expect(fields).toHaveLength(columns.length);
    return Object.fromEntries(fields.map((field, i) => [columns[i], field]));
  });
}

async function recordsOf(calls: readonly Call[], runId: number, rows = new RowBuffer()) {
  const { spills } = mapPartition(new PartitionMap(calls.length), 0, { first: 1n, last: calls.at(-1)!.id }, calls);
  const segments = spills.map((spill) => sliceOf(spill, ALL).open(ALL.first, ALL.end, spill.data));
  const fold = new BucketFold(CALLS_PER_CYCLE, (users, user, batch) => appendRecord(rows, runId, users, user, batch));
  for (let bucket = ALL.first; bucket < ALL.end; bucket++) {
    fold.clear();
    fold.begin(segments, bucket);
    while (fold.foldNext());
  }
  return named(recordsCopy('meterfold'), await rowsOf(rows));
}

/** Bytes of a row as sent. */
function bytesOf(row: Record<string, Field>): number {
  return 2 + Object.values(row).reduce((sum, field) => sum + 4 + (field?.length ?? 0), 0);
}

/** Rows of which the first leaves that many bytes of its chunk. */
function leaving(bytes: number, columns: number): RowBuffer {
  const head = 2 + 4 * columns;
  const filler = new Uint8Array(CHUNK_BYTES - BINARY_HEADER.length - head - bytes);
  const rows = new RowBuffer();
  rows.beginRow(columns, head + filler.length);
  rows.text(filler, 0, filler.length);
  for (let column = 1; column < columns; column++) rows.null();
  return rows;
}

describe('a billing record', () => {
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

  test('of the longest user and the most cycles is not cut, however little room is left in the chunk', async () => {
    const calls = Array.from({ length: CALLS_PER_CYCLE * RECORD_CYCLES_MAX }, (_, i) => call(i + 1, 'x'.repeat(256)));
    const [alone] = await recordsOf(calls, 1);
    for (const missing of [1, 2, 3, 4, 5, 8, 12, 16, 24, 64]) {
      const records = await recordsOf(calls, 1, leaving(bytesOf(alone!) - missing, 8));
      expect(records).toHaveLength(2);
      expect(records[1]).toEqual(alone);
    }
  });
});

describe('a tail', () => {
  /** Behind another one. */
  function usersWith(name: string): BucketUsers {
    const users = new BucketUsers();
    for (const [hash, user] of ['zed', name].entries()) {
      users.find(new DataView(new TextEncoder().encode(user).buffer), 0, user.length, hash);
    }
    return users;
  }

  function openCycle(calls: number, usage: bigint, firstId: bigint, firstCalledAt: number): OpenCycle {
    const [usageHi, usageLo] = halves(usage);
    const [firstCallIdHi, firstCallIdLo] = halves(firstId);
    return { nextCycle: 2 ** 40 + 1, calls, usageHi, usageLo, firstCallIdHi, firstCallIdLo, firstCalledAt };
  }

  async function tailOf(open: OpenCycle) {
    const rows = new RowBuffer();
    appendTail(rows, 7, usersWith('alice'), 1, open);
    return named(tailsCopy('meterfold'), await rowsOf(rows))[0]!;
  }

  test('has what the user has left open', async () => {
    const tail = await tailOf(openCycle(999, 999n * 10n ** 15n, 2n ** 62n + 3n, -5));
    expect(int8(tail.run_id!)).toBe(7n);
    expect(int8(tail.next_cycle!)).toBe(2n ** 40n + 1n);
    expect(int8(tail.usage!)).toBe(999n * 10n ** 15n);
    expect(int8(tail.first_call_id!)).toBe(2n ** 62n + 3n);
    expect(int8(tail.first_called_at!)).toBe(-5n);
    expect(int2(tail.calls!)).toBe(999);
    expect(text(tail.user_id!)).toBe('alice');
  });

  test('of a user with no open call has no first one', async () => {
    // What a fold leaves behind of the last cycle's first call does not count.
    const tail = await tailOf(openCycle(0, 0n, 12n, 34));
    expect([tail.first_call_id, tail.first_called_at]).toEqual([null, null]);
    expect([int8(tail.next_cycle!), int8(tail.usage!), int2(tail.calls!)]).toEqual([2n ** 40n + 1n, 0n, 0]);
  });

  test('of the longest user is not cut, however little room is left in the chunk', async () => {
    const longest = usersWith('x'.repeat(256));
    const append = async (rows: RowBuffer) => {
      appendTail(rows, 7, longest, 1, openCycle(1, 1n, 1n, 0));
      return named(tailsCopy('meterfold'), await rowsOf(rows));
    };
    const [alone] = await append(new RowBuffer());
    for (const missing of [1, 2, 3, 4, 5, 8, 12, 16, 24, 64]) {
      const tails = await append(leaving(bytesOf(alone!) - missing, 7));
      expect(tails).toHaveLength(2);
      expect(tails[1]).toEqual(alone);
    }
  });
});
