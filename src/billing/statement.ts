/** The totals of a statement: exact sums of amounts per currency. Each total is rounded once, at the end. */
import { roundToMinorUnit } from './currency.js';
import { formatPicos, parsePicos } from './money.js';

/** The fields of a billing record that a statement sums. Decimals and bigints are in PostgreSQL's text format. */
export interface BilledCycle {
  calls: number;
  usage: string;
  /** Exact, with up to 12 decimal places. */
  amount: string;
  currency: string;
}

/** Totals in one currency. bigints and decimals are strings. */
export interface StatementTotal {
  currency: string;
  cycles: string;
  calls: string;
  usage: string;
  /** The exact sum: "12.3456". */
  amount: string;
  /** The amount to charge: the sum rounded to the currency's minor unit, half away from zero: "12.35". */
  amountDue: string;
}

interface Sums {
  cycles: bigint;
  calls: bigint;
  usage: bigint;
  picos: bigint;
}

/** Sums cycles while they stream: a user may have millions. */
export class StatementTotals {
  readonly #sums = new Map<string, Sums>();

  add(cycle: BilledCycle): void {
    let sums = this.#sums.get(cycle.currency);
    if (sums === undefined) {
      sums = { cycles: 0n, calls: 0n, usage: 0n, picos: 0n };
      this.#sums.set(cycle.currency, sums);
    }
    sums.cycles += 1n;
    sums.calls += BigInt(cycle.calls);
    sums.usage += BigInt(cycle.usage);
    sums.picos += parsePicos(cycle.amount);
  }

  /** One total per currency, ordered by its code. Empty if no cycle was added. */
  totals(): StatementTotal[] {
    return [...this.#sums]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([currency, sums]) => ({
        currency,
        cycles: String(sums.cycles),
        calls: String(sums.calls),
        usage: String(sums.usage),
        amount: formatPicos(sums.picos),
        amountDue: roundToMinorUnit(sums.picos, currency),
      }));
  }
}
