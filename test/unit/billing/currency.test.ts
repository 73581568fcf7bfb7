import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { isCurrency, minorUnitPlaces } from '../../../src/billing/currency.js';
import { parsePicos, roundToMinorUnit } from '../../../src/billing/money.js';

/** ISO's own list, which the package carries along: the code and the minor unit of each entry that has a code. */
function isoList(): Map<string, string> {
  const path = createRequire(import.meta.url).resolve('currency-codes/iso-4217-list-one.xml');
  const entries = readFileSync(path, 'utf8').split('<CcyNtry>').slice(1);
  const text = (entry: string, tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(entry)?.[1];
  return new Map(
    entries.flatMap((entry): [string, string][] => {
      const code = text(entry, 'Ccy');
      return code === undefined ? [] : [[code, text(entry, 'CcyMnrUnts') ?? 'none']];
    }),
  );
}

describe('a currency', () => {
  const list = isoList();

  test('has the minor unit of the list that ISO publishes, whichever it is', () => {
    expect(list.size).toBeGreaterThan(170);
    const differing = [...list].filter(([code, units]) => units !== 'N.A.' && minorUnitPlaces(code) !== Number(units));
    expect(differing).toEqual([]);
  });

  test('is accepted just if that list gives it a minor unit', () => {
    const differing = [...list].filter(([code, units]) => isCurrency(code) !== (units !== 'N.A.'));
    expect(differing).toEqual([]);
  });

  test.each([
    ['USD', 2],
    ['JPY', 0],
    ['KWD', 3],
    ['CLF', 4],
    ['UYW', 4],
    // Of which Node's ICU has other ones.
    ...['HUF', 'MGA', 'IDR', 'COP', 'PKR', 'ALL', 'MMK', 'LAK', 'RSD', 'SOS'].map((code): [string, number] => [
      code,
      2,
    ]),
    ['IQD', 3],
    // Amended since.
    ['XCG', 2],
    ['XAD', 2],
  ])('%s has %i decimal places', (code, places) => {
    expect(isCurrency(code)).toBe(true);
    expect(minorUnitPlaces(code)).toBe(places);
  });

  test.each(['ZZZ', 'XXX', 'XTS', 'XAU', 'DEM', 'usd', '', 'constructor'])('%j is none', (code) => {
    expect(isCurrency(code)).toBe(false);
  });

  test('that an earlier version has billed in and that is none still has a total, of two places', () => {
    expect(roundToMinorUnit(parsePicos('1.005'), 'ZZZ')).toBe('1.01');
  });
});
