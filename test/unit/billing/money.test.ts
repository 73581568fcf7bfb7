import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { minorUnitDecimals, roundToMinorUnit } from '../../../src/billing/currency.js';
import { DecimalError, formatPicos, parsePicos, parsePrice } from '../../../src/billing/money.js';
import { amountOf } from '../../../src/billing/price.js';

const scale = 10n ** 12n;

const priced = (usage: bigint, pricePerUnit: string) => amountOf({ usage }, { pricePerUnit, currency: 'USD' });

describe('a price', () => {
  test.each([
    ['0', 0n, '0'],
    ['0.0004', 400_000_000n, '0.0004'],
    [' 12.50 ', 12_500_000_000_000n, '12.5'],
    ['0.000000000001', 1n, '0.000000000001'],
    ['999999999999.999999999999', 10n ** 24n - 1n, '999999999999.999999999999'],
    ['007', 7n * scale, '7'],
  ])('%j is parsed exactly', (text, picos, shown) => {
    expect(parsePrice(text)).toEqual({ picos, text: shown });
  });

  test.each([
    '',
    '-1',
    '+1',
    '.5',
    '5.',
    '1e3',
    '1,5',
    '0x10',
    'NaN',
    '1 000',
    '1000000000000',
    '0.0000000000001',
    '٣',
  ])('%j is refused', (text) => {
    expect(() => parsePrice(text)).toThrow(DecimalError);
  });

  test('of any size and number of decimals is formatted as it was parsed, without trailing zeros', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 24n - 1n }), fc.nat(12), (picos, zeros) => {
        const text = formatPicos(picos);
        const [, decimals = ''] = text.split('.');
        const padded = decimals === '' ? text : text + '0'.repeat(Math.min(zeros, 12 - decimals.length));
        expect(parsePrice(padded)).toEqual({ picos, text });
      }),
    );
  });
});

describe('an amount', () => {
  test('of the largest usage at the finest and the largest price is exact', () => {
    const usage = 10n ** 15n * 1000n;
    expect(formatPicos(priced(usage, '0.000000000001'))).toBe('1000000');
    expect(formatPicos(priced(usage, '999999999999.999999999999'))).toBe('999999999999999999999999000000');
  });

  test('is exactly usage × price, where a double is not', () => {
    expect(formatPicos(priced(3n, '0.1'))).toBe('0.3');
    expect(String(3 * 0.1)).not.toBe('0.3');
  });

  test('of a sum of usages is the sum of their amounts', () => {
    const usages = fc.array(fc.bigInt({ min: 0n, max: 10n ** 15n }));
    const picos = fc.bigInt({ min: 0n, max: 10n ** 24n - 1n });
    fc.assert(
      fc.property(usages, picos, (all, perUnit) => {
        const price = formatPicos(perUnit);
        const whole = all.reduce((sum, usage) => sum + usage, 0n);
        expect(priced(whole, price)).toBe(all.reduce((sum, usage) => sum + priced(usage, price), 0n));
      }),
    );
  });

  test('that is formatted and parsed is unchanged, also if negative', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n }), (picos) => {
        expect(parsePicos(formatPicos(picos))).toBe(picos);
      }),
    );
  });

  test("is parsed from PostgreSQL's numeric, with zeros after the twelfth decimal", () => {
    expect(parsePicos('12.340000000000000000')).toBe(12_340_000_000_000n);
    expect(parsePicos('-0.5')).toBe(-500_000_000_000n);
    expect(parsePicos('3.')).toBe(3n * scale);
  });

  test.each(['', '1e3', 'NaN', 'Infinity', '.5', '--1', '0.1234567890123', ' 1'])('%j is refused', (text) => {
    expect(() => parsePicos(text)).toThrow(DecimalError);
  });
});

describe('a total is rounded half away from zero', () => {
  test.each([
    ['USD', '0.005', '0.01'],
    ['USD', '0.015', '0.02'],
    ['USD', '0.025', '0.03'],
    ['USD', '0.025000000001', '0.03'],
    ['USD', '0.024999999999', '0.02'],
    ['USD', '12.3', '12.30'],
    ['USD', '99.995', '100.00'],
    ['USD', '0', '0.00'],
    ['USD', '-0.015', '-0.02'],
    ['USD', '-0.005', '-0.01'],
    ['USD', '-0.004999999999', '0.00'],
    ['HUF', '1.50', '1.50'],
    ['HUF', '1.505', '1.51'],
    ['CLF', '0.00005', '0.0001'],
    ['JPY', '0.5', '1'],
    ['JPY', '1.5', '2'],
    ['JPY', '2.5', '3'],
    ['JPY', '2.500000000001', '3'],
    ['JPY', '1234567', '1234567'],
    ['KWD', '0.0005', '0.001'],
    ['KWD', '0.0015', '0.002'],
    ['KWD', '12.3456', '12.346'],
    ['USD', '123456789012345678901234567890.125', '123456789012345678901234567890.13'],
  ])('%s %s becomes %s', (currency, exact, rounded) => {
    expect(roundToMinorUnit(parsePicos(exact), currency)).toBe(rounded);
  });

  test('as in rational arithmetic: by at most half a unit, and away from zero at exactly half a unit', () => {
    const amounts = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n });
    const currencies = fc.constantFrom('USD', 'JPY', 'KWD', 'CLF');
    fc.assert(
      fc.property(amounts, currencies, fc.boolean(), (drawn, currency, onHalf) => {
        const unit = 10n ** BigInt(12 - minorUnitDecimals(currency));
        const picos = onHalf ? (drawn / unit) * unit + unit / 2n : drawn;
        const text = roundToMinorUnit(picos, currency);
        const rounded = parsePicos(text);
        expect(rounded % unit).toBe(0n);
        expect(text.split('.')[1]?.length ?? 0).toBe(minorUnitDecimals(currency));
        const off = picos > rounded ? picos - rounded : rounded - picos;
        expect(off * 2n <= unit).toBe(true);
        if (off * 2n === unit) expect(rounded > picos).toBe(picos > 0n);
      }),
    );
  });
});
