import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { csvLine, csvText, facts, table, write, writeJson, writeJsonStream } from '../../../src/cli/text/output.js';

test('a table aligns its columns with their titles', () => {
  const columns = [{ title: 'user' }, { title: 'calls', align: 'right' as const }];
  const rows = [
    ['a', '1'],
    ['somebody', '1,000,000'],
  ];
  expect(table(columns, rows)).toBe('user          calls\na                 1\nsomebody  1,000,000');
});

test('facts align their values', () => {
  expect(
    facts([
      ['run', '7'],
      ['workflow', 'x\ty'],
    ]),
  ).toBe('run       7\nworkflow  x\\u{9}y');
});

describe('a line of CSV', () => {
  test('quotes only what must be quoted', () => {
    expect(csvLine(['a', 1, '', 'x y', 'a,b', 'say "hi"', 'two\nlines', 'cr\r', 'a;b', 'a\tb', '-1.5'])).toBe(
      'a,1,,x y,"a,b","say ""hi""","two\nlines","cr\r","a;b","a\tb",-1.5\n',
    );
  });

  test('has no text that a spreadsheet executes, and is the original text without the first apostrophe', () => {
    const anyText = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.constantFrom(...'=+-@＝＋－＠\t\r\n\u0000\u00a0\ufeff\u200b \'"a1') }),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const cell = csvText(text);
        expect(cell.replace(/^'/, '')).toBe(text);
        expect(cell.trim()).not.toMatch(/^[=+\-@＝＋－＠]/);
        expect(cell).not.toMatch(/^[\t\r\n]/);
        if (/^[\p{L}\p{N}_]/u.test(text)) expect(cell).toBe(text);
      }),
    );
  });

  test('is read by a reader of RFC 4180 as the same cells', () => {
    const read = (line: string) =>
      [...line.slice(0, -1).matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)].map(
        (cell) => cell[1]?.replaceAll('""', '"') ?? cell[2]!,
      );
    const anyCell = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a') }),
    );
    fc.assert(
      fc.property(fc.array(anyCell, { minLength: 2 }), (cells) => {
        // An empty first cell is one the expression above cannot tell from the line's start.
        const line = ['first', ...cells];
        expect(read(csvLine(line))).toEqual(line);
      }),
    );
  });
});

describe('standard output', () => {
  afterEach(() => vi.restoreAllMocks());

  /** Everything written, with standard output taking it. */
  function capture(): () => string {
    const written: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text, done) => {
      written.push(String(text));
      (done as unknown as () => void)();
      return true;
    });
    return () => written.join('');
  }

  function refuse(code: string) {
    vi.spyOn(process.stdout, 'write').mockImplementation((_text, done) => {
      (done as unknown as (error: Error) => void)(Object.assign(new Error(`write ${code}`), { code }));
      return true;
    });
  }

  test('receives JSON as one document, with bigints as strings', async () => {
    const written = capture();
    await writeJson({ calls: 2n ** 64n, nested: [1n] });
    expect(JSON.parse(written())).toEqual({ calls: '18446744073709551616', nested: ['1'] });
  });

  test.each([
    { name: 'none', batches: [] },
    { name: 'empty batches', batches: [[], []] },
    { name: 'some', batches: [[{ id: '1' }, { id: '2' }], [], [{ id: 'line\nbreak "quoted"' }]] },
  ])('receives a streamed array ($name) as one document', async ({ batches }) => {
    const written = capture();
    async function* items() {
      yield* batches;
    }
    let seen = 0;
    const counting = (async function* () {
      for await (const batch of items()) {
        seen += batch.length;
        yield batch;
      }
    })();
    await writeJsonStream({ userId: 'a\n"b"', extra: { x: 1 } }, 'cycles', counting, () => ({
      totals: [{ seen }],
      open: null,
    }));
    expect(JSON.parse(written())).toEqual({
      user_id: 'a\n"b"',
      extra: { x: 1 },
      cycles: batches.flat(),
      totals: [{ seen: batches.flat().length }],
      open: null,
    });
  });

  test('that its reader has closed ends the command quietly', async () => {
    refuse('EPIPE');
    await expect(write('x')).rejects.toMatchObject({ name: 'OutputClosed' });
  });

  test('that is full is an error with a reason', async () => {
    refuse('ENOSPC');
    await expect(write('x')).rejects.toMatchObject({
      name: 'CommandError',
      message: 'Standard output cannot be written: write ENOSPC.',
    });
  });
});
