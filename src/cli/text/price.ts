/** Prices and amounts in words. */
import { type PriceTerms, priceIn } from '../../billing/price.js';
import { grouped } from '../../text.js';

/** "0.0004" */
export function priceText(terms: PriceTerms): string {
  return priceIn(terms).pricePerUnit;
}

interface Billed extends PriceTerms {
  billedUsage: string;
  amount: string;
}

/** "12.3456 USD" */
export function amountText({ amount, currency }: Pick<Billed, 'amount' | 'currency'>): string {
  return `${grouped(amount)} ${currency}`;
}

/** "12.3456 USD  (usage 30,864 at 0.0004)" */
export function billedText(billed: Billed): string {
  return `${amountText(billed)}  (usage ${grouped(billed.billedUsage)} at ${priceText(billed)})`;
}

/** "30,864 × 0.0004 = 12.3456 USD"; `what` qualifies the usage. */
export function amountEquation(billed: Billed, what = ''): string {
  return `${grouped(billed.billedUsage)}${what} × ${priceText(billed)} = ${amountText(billed)}`;
}
