/** How the terms of a run (billing/terms.ts) are stored: columns of meterfold.runs, and the SQL that reads and applies them. */
import type { BillingTerms } from '../billing/terms.js';

/** The column of each term. */
export const TERM_COLUMNS = {
  callsPerCycle: 'calls_per_cycle',
  pricePerUnit: 'price_per_unit',
  currency: 'currency',
} as const satisfies Record<keyof BillingTerms, string>;

/** SELECT items with the terms of the row `run`, by their fields. */
export const TERMS_SQL =
  'run.calls_per_cycle as "callsPerCycle", trim_scale(run.price_per_unit) as "pricePerUnit", run.currency';

/** SQL: a text that is equal for two rows `run` with the same terms, and only for these. */
export const TERMS_KEY_SQL = `concat_ws(' ', ${Object.values(TERM_COLUMNS)
  .map((column) => `run.${column}`)
  .join(', ')})`;

/** SQL: the exact amount of cycles with this usage at the price of the row `run`. */
export const amountSql = (cycles: { usage: string }) => `meterfold.amount_of(${cycles.usage}, run.price_per_unit)`;
