/** What a billing run bills by. Prices are decimal strings: a JavaScript number would round them. */
export interface BillingTerms {
  callsPerCycle: number;
  pricePerUnit: string;
  /** ISO 4217 code. */
  currency: string;
}

/** What a run does with a call that breaks what the log promises: it stops and names the call, or puts it aside and goes on. */
export type BadCalls = 'stop' | 'quarantine';
