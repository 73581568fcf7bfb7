import { PRICE_FIELDS, type PriceTerms } from './price.js';

/** The terms of a billing run. */
export interface BillingTerms extends PriceTerms {
  callsPerCycle: number;
}

export const TERM_FIELDS = ['callsPerCycle', ...PRICE_FIELDS] as const satisfies (keyof BillingTerms)[];

/** The terms that `given` has. */
export function termsIn(given: { [Field in keyof BillingTerms]?: BillingTerms[Field] | undefined }) {
  const entries = TERM_FIELDS.map((field) => [field, given[field]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Partial<BillingTerms>;
}

/**
 * What a run does at a call that violates a limit (call.ts): it stops and names the call, or quarantines it and
 * continues.
 */
export type BadCalls = 'stop' | 'quarantine';
