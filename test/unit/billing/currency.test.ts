import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { isCurrency, minorUnitDecimals, roundToMinorUnit } from '../../../src/billing/currency.js';
import { parsePicos } from '../../../src/billing/money.js';

/** The code and the minor unit of each entry with a code in ISO's own list, which the package contains. */
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

  test('has the minor unit of the list that ISO publishes', () => {
    expect(list.size).toBeGreaterThan(170);
    const differing = [...list].filter(
      ([code, units]) => units !== 'N.A.' && minorUnitDecimals(code) !== Number(units),
    );
    expect(differing).toEqual([]);
  });

  test('is accepted if and only if that list has a minor unit for it', () => {
    const differing = [...list].filter(([code, units]) => isCurrency(code) !== (units !== 'N.A.'));
    expect(differing).toEqual([]);
  });

  test.each([
    ['USD', 2],
    ['JPY', 0],
    ['KWD', 3],
    ['CLF', 4],
    ['UYW', 4],
    // ICU has other minor units for these.
    ...['HUF', 'MGA', 'IDR', 'COP', 'PKR', 'ALL', 'MMK', 'LAK', 'RSD', 'SOS'].map((code): [string, number] => [
      code,
      2,
    ]),
    ['IQD', 3],
    // Later amendments.
    ['XCG', 2],
    ['XAD', 2],
  ])('%s has %i decimal places', (code, decimals) => {
    expect(isCurrency(code)).toBe(true);
    expect(minorUnitDecimals(code)).toBe(decimals);
  });

  test.each(['ZZZ', 'XXX', 'XTS', 'XAU', 'DEM', 'usd', '', 'constructor'])('%j is not a currency', (code) => {
    expect(isCurrency(code)).toBe(false);
  });

  test('that is not on the list and is stored in a run has two decimal places', () => {
    expect(roundToMinorUnit(parsePicos('1.005'), 'ZZZ')).toBe('1.01');
  });
});
