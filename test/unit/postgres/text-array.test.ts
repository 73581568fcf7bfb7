/** The binary form of text[], decoded by the description in src/postgres/copy/text-array.ts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextArray } from '../../../src/postgres/copy/text-array.js';

const TEXT_OID = 25;

function decode(bytes: Buffer): { header: number[]; elements: Buffer[] } {
  const header = [0, 4, 8, 12, 16].map((at) => bytes.readInt32BE(at));
  const elements: Buffer[] = [];
  for (let at = 20; at < bytes.length; ) {
    const length = bytes.readInt32BE(at);
    elements.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { header, elements };
}

/** Pushes each element from the middle of other bytes. */
function push(array: TextArray, elements: readonly Uint8Array[]): void {
  for (const element of elements) {
    array.push(Buffer.concat([Buffer.from('before'), element, Buffer.from('after')]), 6, element.length);
  }
}

const anyElements = fc.array(fc.uint8Array({ minLength: 1, maxLength: 256, size: 'max' }), {
  maxLength: 300,
  size: 'max',
});

test('an array has its elements in order, and can be filled again after clear()', () => {
  const array = new TextArray();
  fc.assert(
    fc.property(anyElements, (elements) => {
      array.clear();
      push(array, elements);
      const decoded = decode(array.encode());
      expect(array.length).toBe(elements.length);
      expect(decoded.header).toEqual([1, 0, TEXT_OID, elements.length, 1]);
      expect(decoded.elements.map((bytes) => bytes.toString('hex'))).toEqual(
        elements.map((bytes) => Buffer.from(bytes).toString('hex')),
      );
    }),
  );
});

test('an array grows for many long elements', () => {
  const array = new TextArray();
  const elements = Array.from({ length: 5000 }, (_, i) => Buffer.from(`${i}`.padStart(256, 'x')));
  push(array, elements);
  const decoded = decode(array.encode()).elements;
  expect(decoded).toHaveLength(5000);
  expect(Buffer.concat(decoded).equals(Buffer.concat(elements))).toBe(true);
});
