/** What a billing run bills by. Prices are decimal strings: a JavaScript number would round them. */
export interface BillingTerms {
  callsPerCycle: number;
  pricePerUnit: string;
  /** ISO 4217 code. */
  currency: string;
}
