import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { roundToMinorUnit } from '../../../src/billing/currency.js';
import { formatPicos, parsePicos } from '../../../src/billing/money.js';
import { type BilledCycle, type StatementTotal, StatementTotals } from '../../../src/billing/statement.js';

function totalsOf(cycles: readonly BilledCycle[]): StatementTotal[] {
  const totals = new StatementTotals();
  for (const cycle of cycles) totals.add(cycle);
  return totals.totals();
}

const cycle = (amount: string, currency = 'USD', usage = '10', calls = 5): BilledCycle => ({
  calls,
  usage,
  amount,
  currency,
});

describe('the totals of a statement', () => {
  test('of no cycles are empty', () => {
    expect(totalsOf([])).toEqual([]);
  });

  test('sum calls, usage and amount exactly', () => {
    expect(totalsOf([cycle('0.1'), cycle('0.2'), cycle('0.0004', 'USD', '1', 3)])).toEqual([
      { currency: 'USD', cycles: '3', calls: '13', usage: '21', amount: '0.3004', amountDue: '0.30' },
    ]);
  });

  test('are rounded once, at the end: rounded per cycle, this total would be zero', () => {
    const [total] = totalsOf(Array.from({ length: 1000 }, () => cycle('0.004')));
    expect(total).toMatchObject({ amount: '4', amountDue: '4.00' });
    expect(roundToMinorUnit(parsePicos('0.004'), 'USD')).toBe('0.00');
  });

  test('are rounded half away from zero, to the minor unit of their currency', () => {
    expect(totalsOf([cycle('0.125')])[0]!.amountDue).toBe('0.13');
    expect(totalsOf([cycle('2.5', 'JPY')])[0]!.amountDue).toBe('3');
    expect(totalsOf([cycle('0.0015', 'KWD')])[0]!.amountDue).toBe('0.002');
  });

  test('are separate for each currency, in the order of their codes', () => {
    const totals = totalsOf([cycle('1', 'USD'), cycle('2', 'EUR'), cycle('4', 'USD'), cycle('8', 'JPY')]);
    expect(totals.map(({ currency, amount, cycles }) => [currency, amount, cycles])).toEqual([
      ['EUR', '2', '1'],
      ['JPY', '8', '1'],
      ['USD', '5', '2'],
    ]);
  });

  test('may exceed 64 bits with the largest usage and price', () => {
    const usage = String(1000n * 10n ** 15n);
    const amount = '999999999999999999999999000000';
    const [total] = totalsOf(Array.from({ length: 100 }, () => cycle(amount, 'USD', usage, 1000)));
    expect(total).toEqual({
      currency: 'USD',
      cycles: '100',
      calls: '100000',
      usage: String(10n ** 20n),
      amount: '99999999999999999999999900000000',
      amountDue: '99999999999999999999999900000000.00',
    });
  });

  test('do not depend on the order of the cycles, and equal the sum of the totals of two halves', () => {
    const anyCycle = fc.record({
      calls: fc.integer({ min: 1, max: 1000 }),
      usage: fc.bigInt({ min: 0n, max: 10n ** 18n }).map(String),
      amount: fc.bigInt({ min: 0n, max: 10n ** 40n }).map(formatPicos),
      currency: fc.constantFrom('USD', 'EUR', 'JPY', 'KWD'),
    });
    fc.assert(
      fc.property(fc.array(anyCycle), fc.nat(), (cycles, cut) => {
        const whole = totalsOf(cycles);
        expect(totalsOf(cycles.toReversed())).toEqual(whole);
        const parts = [cycles.slice(0, cut), cycles.slice(cut)].flatMap(totalsOf);
        for (const { currency, amount } of whole) {
          const sum = parts
            .filter((part) => part.currency === currency)
            .reduce((picos, part) => picos + parsePicos(part.amount), 0n);
          expect(parsePicos(amount)).toBe(sum);
        }
      }),
    );
  });
});
