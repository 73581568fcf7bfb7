/**
 * A text[] as PostgreSQL's binary format has it, for a bound parameter: the number of dimensions, whether there are nulls, the type of the
 * elements, then the length and the lower bound of the dimension, each an int32; then each element, an int32 length and its bytes in UTF-8.
 *
 * Source: array_recv() in src/backend/utils/adt/arrayfuncs.c.
 */

/** Its OID, the same in every database. */
const TEXT = 25;
const HEADER_BYTES = 20;
/** A UTF-16 unit takes up to three bytes. */
const UNIT_BYTES_MAX = 3;

export function textArray(texts: readonly string[]): Buffer {
  let bytesMax = HEADER_BYTES;
  for (const text of texts) bytesMax += 4 + UNIT_BYTES_MAX * text.length;
  const array = Buffer.allocUnsafe(bytesMax);
  const view = new DataView(array.buffer, array.byteOffset, array.length);
  view.setInt32(0, 1);
  view.setInt32(4, 0);
  view.setInt32(8, TEXT);
  view.setInt32(12, texts.length);
  view.setInt32(16, 1);
  let at = HEADER_BYTES;
  for (const text of texts) {
    const bytes = writeAscii(array, text, at + 4) ?? array.write(text, at + 4);
    view.setInt32(at, bytes);
    at += 4 + bytes;
  }
  return array.subarray(0, at);
}

/** Names are short: a call of Node's own encoder takes longer than they do. The number of bytes, or undefined if it is not all ASCII. */
function writeAscii(to: Buffer, text: string, at: number): number | undefined {
  const { length } = text;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return undefined;
    to[at + i] = code;
  }
  return length;
}
