import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowBuffer } from '../../../src/postgres/copy/row-buffer.js';
import { halves } from '../engine/pipeline.js';
import { decodeCopy, int2, int8, rowsOf, Sink, text } from './copy-decoder.js';

const INT8_MIN = -(2n ** 63n);
const INT8_MAX = 2n ** 63n - 1n;
const int8Values = fc.oneof(
  fc.bigInt({ min: INT8_MIN, max: INT8_MAX }),
  fc.constantFrom(0n, -1n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, -(2n ** 32n), 2n ** 53n + 1n, INT8_MIN, INT8_MAX),
);

/** Appends rows with one text of `bytes` bytes. */
function fill(rows: RowBuffer, count: number, bytes: number, from = 0): void {
  const own = Buffer.alloc(bytes);
  for (let i = from; i < from + count; i++) {
    own.fill(i % 251);
    rows.beginRow(1, 6 + bytes);
    rows.text(own, 0, bytes);
  }
}

describe('a field is decoded from the binary COPY', () => {
  test('as any bigint, written from its halves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(int8Values), async (values) => {
        const rows = new RowBuffer();
        for (const value of values) {
          rows.beginRow(1, 14);
          rows.int8(...halves(value));
        }
        expect((await rowsOf(rows)).map(([field]) => int8(field!))).toEqual(values);
      }),
    );
  });

  test('as any integer that a double holds, of either sign', async () => {
    const edges = fc.constantFrom(0, -1, 2 ** 32, -(2 ** 32), 2 ** 32 - 1, -(2 ** 32) - 1, 2 ** 53 - 1, -(2 ** 53) + 1);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.maxSafeInteger(), edges)), async (values) => {
        const rows = new RowBuffer();
        for (const value of values) {
          rows.beginRow(1, 14);
          rows.int8FromNumber(value);
        }
        expect((await rowsOf(rows)).map(([field]) => int8(field!))).toEqual(values.map(BigInt));
      }),
    );
  });

  test('as smallint, as text from the middle of a buffer, and as null', async () => {
    const rows = new RowBuffer();
    rows.beginRow(4, 100);
    rows.int2(1000);
    rows.null();
    rows.text(Buffer.from('<Zoë>'), 1, 4);
    rows.text(Buffer.from(''), 0, 0);
    const [[number, nothing, name, empty]] = (await rowsOf(rows)) as [[Buffer, null, Buffer, Buffer]];
    expect([int2(number), nothing, name.toString(), text(empty)]).toEqual([1000, null, 'Zoë', '']);
  });

  test('as any bigint, copied from little-endian memory', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(int8Values), fc.nat(9), async (values, before) => {
        const rows = new RowBuffer();
        const view = new DataView(new ArrayBuffer(before + 8 * values.length));
        for (const [i, value] of values.entries()) {
          view.setBigInt64(before + 8 * i, value, true);
          rows.beginRow(1, 14);
          rows.int8At(view, before + 8 * i);
        }
        expect((await rowsOf(rows)).map(([field]) => int8(field!))).toEqual(values);
      }),
    );
  });

  test('as fields that are already encoded', async () => {
    const rows = new RowBuffer();
    rows.beginRow(3, 40);
    rows.int2(7);
    rows.fields(Buffer.from('......\0\0\0\x02ab\xff\xff\xff\xff...', 'latin1'), 6, 10);
    expect(await rowsOf(rows)).toEqual([[Buffer.from([0, 7]), Buffer.from('ab'), null]]);
  });
});

describe('rows', () => {
  test('of several chunks arrive complete and in order, while chunks are reused', async () => {
    const rows = new RowBuffer();
    const sink = new Sink();
    for (let i = 0; i < 10_000; i += 100) {
      fill(rows, 100, 300, i);
      if (rows.ready) await rows.drain(sink.copy);
    }
    const seen = await rowsOf(rows, sink);
    expect(seen).toHaveLength(10_000);
    expect(seen.findIndex(([field], i) => field!.length !== 300 || field!.some((byte) => byte !== i % 251))).toBe(-1);
    expect(sink.chunks.length).toBeGreaterThan(10);
  });

  test('are never divided: every chunk ends with a complete row', async () => {
    const rows = new RowBuffer();
    const sink = new Sink();
    fill(rows, 300, 3000);
    await rows.finish(sink.copy);
    const trailer = Buffer.from([0xff, 0xff]);
    for (const [i, chunk] of sink.chunks.entries()) {
      const header = i === 0 ? Buffer.alloc(0) : sink.chunks[0]!.subarray(0, 19);
      const end = i === sink.chunks.length - 1 ? Buffer.alloc(0) : trailer;
      expect(() => decodeCopy(Buffer.concat([header, chunk, end]))).not.toThrow();
    }
  });

  test('that fill a chunk to its last byte are sent with the trailer', async () => {
    const CHUNK = 256 * 1024;
    for (const spare of [0, 1, 2, 3]) {
      const rows = new RowBuffer();
      fill(rows, 1, CHUNK - 19 - 6 - spare);
      const seen = await rowsOf(rows);
      expect(seen.map(([field]) => field!.length)).toEqual([CHUNK - 19 - 6 - spare]);
    }
  });

  test('report when they should be drained', async () => {
    const rows = new RowBuffer();
    let calls = 0;
    for (; !rows.ready; calls++) fill(rows, 1, 1000);
    expect(calls * 1006).toBeGreaterThan(4 * 255 * 1024);
    expect(calls * 1006).toBeLessThan(5 * 256 * 1024);
    const sink = new Sink();
    await rows.drain(sink.copy);
    expect(rows.ready).toBe(false);
    expect([sink.chunks.length, sink.finished]).toEqual([4, 0]);
  });

  test('can be none', async () => {
    const sink = new Sink();
    expect(await rowsOf(new RowBuffer(), sink)).toEqual([]);
    expect(sink.finished).toBe(1);
  });

  test('start a new COPY after finish()', async () => {
    const rows = new RowBuffer();
    for (const count of [3, 0, 2000, 1]) {
      fill(rows, count, 200);
      expect(await rowsOf(rows)).toHaveLength(count);
    }
  });
});
