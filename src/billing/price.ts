/**
 * The price of a run. Amounts are exact: a price has up to 12 decimal places, usage and calls are whole numbers, and
 * nothing is rounded here. meterfold.amount_of is the same rule in SQL.
 *
 * A new kind of price needs a field below and a term in amountOf(), a column (schema/terms.ts) with a term in
 * meterfold.amount_of, a setting (config.ts), words (cli/text/price.ts), and a term in verify's own SQL
 * (audit/sql/runs-figures.sql).
 */
import { parsePrice } from './money.js';

/** Decimals are strings, because a JavaScript number would round them. */
export interface PriceTerms {
  /** In the currency's unit, for one unit of usage. */
  pricePerUnit: string;
  /** ISO 4217 code. */
  currency: string;
}

export const PRICE_FIELDS = ['pricePerUnit', 'currency'] as const satisfies (keyof PriceTerms)[];

/** The price in terms that have more fields. */
export function priceIn(terms: PriceTerms): PriceTerms {
  return Object.fromEntries(PRICE_FIELDS.map((field) => [field, terms[field]])) as unknown as PriceTerms;
}

/** The exact amount of closed cycles, in picos (10^-12 of the currency's unit). */
export function amountOf({ usage }: { usage: bigint }, { pricePerUnit }: PriceTerms): bigint {
  return usage * parsePrice(pricePerUnit).picos;
}
