/**
 * The buffer into which a socket reads during a COPY. Messages here have a length of four bytes, then as many bytes.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReadBuffer } from '../../../src/postgres/copy/read-socket.js';

const KIB = 1024;
const BUFFER_BYTES = 256 * KIB;

/** Collects the complete messages that the buffer's reader receives. */
function messagesOf(buffer: ReadBuffer): Buffer[] {
  const messages: Buffer[] = [];
  buffer.reader = (bytes, view, start, end) => {
    let at = start;
    while (end - at >= 4 && end - at >= 4 + view.getInt32(at)) {
      const next = at + 4 + view.getInt32(at);
      messages.push(Buffer.from(bytes.subarray(at + 4, next)));
      at = next;
    }
    return at;
  };
  return messages;
}

function framed(messages: readonly Buffer[]): Buffer {
  const length = (bytes: number) => Buffer.from([bytes >>> 24, bytes >>> 16, bytes >>> 8, bytes]);
  return Buffer.concat(messages.flatMap((message) => [length(message.length), message]));
}

/** Lets reads of these sizes arrive, each in the memory from room(). */
function land(buffer: ReadBuffer, bytes: Buffer, sizes: readonly number[]): void {
  for (let at = 0, read = 0; at < bytes.length; read++) {
    const room = buffer.room();
    const size = Math.min(sizes[read % sizes.length]!, room.length, bytes.length - at);
    bytes.copy(room, 0, at, at + size);
    at += size;
    buffer.landed(size);
    buffer.read();
  }
}

function message(number: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, number + 1);
}

const anyMessages = fc
  .array(fc.oneof(fc.nat(20), fc.nat(5000), fc.constantFrom(0, 100 * KIB, 300 * KIB)), { maxLength: 20, size: 'max' })
  .map((lengths) => lengths.map((length, i) => message(i, length)));
const anySizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.constant(8 * KIB), fc.constant(BUFFER_BYTES)),
  {
    minLength: 1,
  },
);

describe('messages', () => {
  test('arrive complete and once, whatever the sizes of reads', () => {
    fc.assert(
      fc.property(anyMessages, anySizes, (messages, sizes) => {
        const buffer = new ReadBuffer();
        const seen = messagesOf(buffer);
        land(
          buffer,
          framed(messages),
          sizes.map((size) => size + 100),
        );
        expect(Buffer.concat(seen).equals(Buffer.concat(messages))).toBe(true);
        expect(seen.map(({ length }) => length)).toEqual(messages.map(({ length }) => length));
      }),
      { numRuns: 50 },
    );
  });

  test('arrive complete and once, whatever the sizes of appended chunks', () => {
    fc.assert(
      fc.property(anyMessages, fc.array(fc.nat(9000), { minLength: 1 }), (messages, sizes) => {
        const buffer = new ReadBuffer();
        const seen = messagesOf(buffer);
        const bytes = framed(messages);
        for (let at = 0, chunk = 0; at < bytes.length; chunk++) {
          const size = sizes[chunk % sizes.length]! + 100;
          buffer.append(bytes.subarray(at, at + size));
          at += size;
        }
        expect(Buffer.concat(seen).equals(Buffer.concat(messages))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test('arrive from reads of one byte each', () => {
    const buffer = new ReadBuffer();
    const seen = messagesOf(buffer);
    land(buffer, framed([message(0, 3), message(1, 0), message(2, 5)]), [1]);
    expect(seen.map(({ length }) => length)).toEqual([3, 0, 5]);
  });
});

describe('memory', () => {
  test('grows for a larger message, and shrinks after the COPY', () => {
    const buffer = new ReadBuffer();
    const seen = messagesOf(buffer);
    land(buffer, framed([message(0, 3 * BUFFER_BYTES)]), [8 * KIB]);
    expect(seen.map(({ length }) => length)).toEqual([3 * BUFFER_BYTES]);
    expect(buffer.room().length).toBeGreaterThanOrEqual(2 * BUFFER_BYTES);
    buffer.reader = (_bytes, _view, _start, end) => {
      buffer.reader = undefined;
      return end;
    };
    land(buffer, Buffer.from([1]), [1]);
    expect(buffer.room()).toHaveLength(BUFFER_BYTES);
  });

  test('always has room for the next read', () => {
    const buffer = new ReadBuffer();
    messagesOf(buffer);
    const bytes = framed([message(0, 600 * KIB)]);
    for (let at = 0; at < bytes.length - 1; ) {
      const room = buffer.room();
      expect(room.length).toBeGreaterThanOrEqual(4096);
      const size = Math.min(5000, room.length, bytes.length - 1 - at);
      bytes.copy(room, 0, at, at + size);
      at += size;
      buffer.landed(size);
      buffer.read();
    }
  });
});
