/**
 * The totals of a statement. Amounts add up exactly, apart for each currency; each total is rounded once, at the end.
 */
import { formatPicos, parsePicos, roundToMinorUnit } from './money.js';

/** What a statement adds up of a billing record. Decimals and bigints as PostgreSQL writes them. */
export interface BilledCycle {
  calls: number;
  usage: string;
  /** Exact, up to 12 decimal places. */
  amount: string;
  currency: string;
}

/** Totals in one currency; bigints and decimals as strings. */
export interface StatementTotal {
  currency: string;
  cycles: string;
  calls: string;
  usage: string;
  /** The exact sum: "12.3456". */
  amount: string;
  /** The sum as it is charged: rounded to the currency's minor unit, half away from zero: "12.35". */
  amountDue: string;
}

interface Sums {
  cycles: bigint;
  calls: bigint;
  usage: bigint;
  picos: bigint;
}

/** Adds up cycles as they stream by; a user may have millions. */
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

  /** One total a currency, by its code; none if nothing was added. */
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
