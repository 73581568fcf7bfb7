/**
 * Decodes a binary COPY by the file format in PostgreSQL's manual (sql-copy, "Binary Format") and the binary forms of
 * bigint, smallint, text and bit strings.
 */
import type { CopyIn } from '../../../src/postgres/copy/copy-in.js';
import type { RowBuffer } from '../../../src/postgres/copy/row-buffer.js';

/** Takes chunks as a socket does: with a delay, and from memory that is overwritten as soon as write() resolves. */
export class Sink {
  readonly chunks: Buffer[] = [];
  finished = 0;

  async write(chunk: Buffer): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.chunks.push(Buffer.from(chunk));
    chunk.fill(0xdd);
  }

  async finish(): Promise<number> {
    this.finished++;
    return 0;
  }

  get copy(): CopyIn {
    return this as unknown as CopyIn;
  }
}

export type Field = Buffer | null;

/** Returns all rows that the buffer sends. Throws if they are not one complete COPY. */
export async function rowsOf(rows: RowBuffer, sink = new Sink()): Promise<Field[][]> {
  await rows.finish(sink.copy);
  return decodeCopy(Buffer.concat(sink.chunks));
}

export function decodeCopy(bytes: Buffer): Field[][] {
  const signature = 'PGCOPY\n\xff\r\n\0';
  if (bytes.toString('latin1', 0, 11) !== signature) throw new Error('no signature');
  if (bytes.readInt32BE(11) !== 0 || bytes.readInt32BE(15) !== 0) throw new Error('flags, or an extension');
  const rows: Field[][] = [];
  let at = 19;
  for (let columns = bytes.readInt16BE(at); columns !== -1; columns = bytes.readInt16BE(at)) {
    at += 2;
    const fields: Field[] = [];
    for (let column = 0; column < columns; column++) {
      const length = bytes.readInt32BE(at);
      at += 4;
      fields.push(length === -1 ? null : bytes.subarray(at, at + length));
      at += Math.max(0, length);
    }
    rows.push(fields);
  }
  if (at + 2 !== bytes.length) throw new Error(`${bytes.length - at - 2} bytes behind the trailer`);
  return rows;
}

export function int2(field: Field): number {
  return exactly(field, 2).readInt16BE();
}

export function int8(field: Field): bigint {
  return exactly(field, 8).readBigInt64BE();
}

/** Returns the bytes of a text, one character each. */
export function text(field: Field): string {
  return field!.toString('latin1');
}

/** Decodes a bit string of 64-bit numbers. */
export function int8s(field: Field): bigint[] {
  const bits = field!.readInt32BE();
  if (bits % 64 !== 0) throw new Error(`${bits} bits are no whole numbers`);
  return Array.from({ length: exactly(field, 4 + bits / 8).length >> 3 }, (_, i) => field!.readBigInt64BE(4 + 8 * i));
}

function exactly(field: Field, bytes: number): Buffer {
  if (field?.length !== bytes) throw new Error(`a field of ${field?.length} bytes, not ${bytes}`);
  return field;
}
