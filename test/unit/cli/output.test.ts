import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  counted,
  csvLine,
  csvText,
  duration,
  facts,
  grouped,
  moment,
  printable,
  table,
  write,
  writeJson,
  writeJsonStream,
} from '../../../src/cli/text/output.js';

describe('a number for people', () => {
  test.each([
    ['0', '0'],
    ['999', '999'],
    ['1000', '1,000'],
    ['-1234567', '-1,234,567'],
    ['1234.000056789', '1,234.000056789'],
    ['0.0004', '0.0004'],
    ['99999999999999999999999900000000', '99,999,999,999,999,999,999,999,900,000,000'],
  ])('%s is shown as %s', (number, shown) => {
    expect(grouped(number)).toBe(shown);
  });

  test('counts one, none and many', () => {
    expect([0, 1, 1200].map((number) => counted(number, 'call'))).toEqual(['0 calls', '1 call', '1,200 calls']);
    expect(counted(2n, 'activity', 'activities')).toBe('2 activities');
  });
});

describe('a time for people', () => {
  test.each([
    [0, '0 ms'],
    [340.4, '340 ms'],
    [1300, '1.3 s'],
    [59_960, '1 min'],
    [250_000, '4 min 10 s'],
    [12_000_000, '3 h 20 min'],
    [187_200_000, '2 d 4 h'],
    [86_401_000, '1 d 1 s'],
  ])('of %d ms is %s', (ms, shown) => {
    expect(duration(ms)).toBe(shown);
  });

  test('of a moment says its zone', () => {
    expect(moment(new Date('2026-10-01T12:00:00.999Z'))).toBe('2026-10-01 12:00:00 UTC');
  });
});

describe('text from the database', () => {
  test('cannot move the cursor, turn the writing or break the line', () => {
    expect(printable('\u001b[31mred\n\u202ebidi\u0000\u2028')).toBe('\\u{1b}[31mred\\u{a}\\u{202e}bidi\\u{0}\\u{2028}');
  });

  test('stays as it is otherwise', () => {
    expect(printable('Zoë 漢字 👩‍👩‍👧‍👦 O\'Brien "x"')).toBe('Zoë 漢字 👩‍👩‍👧‍👦 O\'Brien "x"');
  });
});

test('a table lines up its columns under their titles', () => {
  const columns = [{ title: 'user' }, { title: 'calls', align: 'right' as const }];
  const rows = [
    ['a', '1'],
    ['somebody', '1,000,000'],
  ];
  expect(table(columns, rows)).toBe('user          calls\na                 1\nsomebody  1,000,000');
});

test('facts line up their values', () => {
  expect(
    facts([
      ['run', '7'],
      ['workflow', 'x\ty'],
    ]),
  ).toBe('run       7\nworkflow  x\\u{9}y');
});

describe('a line of CSV', () => {
  test('quotes what must be quoted, and nothing else', () => {
    expect(csvLine(['a', 1, '', 'x y', 'a,b', 'say "hi"', 'two\nlines', 'cr\r', 'a;b', 'a\tb', '-1.5'])).toBe(
      'a,1,,x y,"a,b","say ""hi""","two\nlines","cr\r","a;b","a\tb",-1.5\n',
    );
  });

  test('has no text that a spreadsheet executes, and any text is what it was without the first apostrophe', () => {
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

  test('gives its cells back to a reader of RFC 4180, whatever they hold', () => {
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

  test('gets JSON as one document, with bigints as strings', async () => {
    const written = capture();
    await writeJson({ calls: 2n ** 64n, nested: [1n] });
    expect(JSON.parse(written())).toEqual({ calls: '18446744073709551616', nested: ['1'] });
  });

  test.each([
    { name: 'none', batches: [] },
    { name: 'empty batches', batches: [[], []] },
    { name: 'some', batches: [[{ id: '1' }, { id: '2' }], [], [{ id: 'line\nbreak "quoted"' }]] },
  ])('gets a streamed array of $name as one document', async ({ batches }) => {
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
      userId: 'a\n"b"',
      extra: { x: 1 },
      cycles: batches.flat(),
      totals: [{ seen: batches.flat().length }],
      open: null,
    });
  });

  test('that its reader has closed ends the work quietly', async () => {
    refuse('EPIPE');
    await expect(write('x')).rejects.toMatchObject({ name: 'OutputClosed' });
  });

  test('that is full is an error with a reason', async () => {
    refuse('ENOSPC');
    await expect(write('x')).rejects.toMatchObject({
      name: 'CommandError',
      message: "Standard output can't be written: write ENOSPC",
    });
  });
});
