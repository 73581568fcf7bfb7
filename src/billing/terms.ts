/** The terms of a billing run. Prices are decimal strings, because a JavaScript number would round them. */
export interface BillingTerms {
  callsPerCycle: number;
  pricePerUnit: string;
  /** ISO 4217 code. */
  currency: string;
}

/**
 * What a run does at a call that violates a limit (call.ts): it stops and names the call, or quarantines it and
 * continues.
 */
export type BadCalls = 'stop' | 'quarantine';
