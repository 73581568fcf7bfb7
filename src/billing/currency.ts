/**
 * Currencies and their minor units by ISO 4217. Node's ICU does not have these: it shows amounts as people write them (HUF without
 * decimals), and takes any three letters for a currency.
 *
 * Source: ISO's list one, as the package currency-codes publishes it, and the amendments that came after that.
 */
import currencyCodes from 'currency-codes';

/** Decimal places of the minor unit. 176: the Caribbean guilder, from 2025-03-31; 177: the Arab accounting dinar, from 2025-05-12. */
const AMENDMENTS: readonly [code: string, places: number][] = [
  ['XCG', 2],
  ['XAD', 2],
];

/** Listed with "N.A." for a minor unit, which the package gives as 0: metals, units of account, no currency, tests. */
const WITHOUT_MINOR_UNIT = new Set('XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' '));

const PLACES: ReadonlyMap<string, number> = new Map([
  ...currencyCodes.data
    .filter(({ code }) => !WITHOUT_MINOR_UNIT.has(code))
    .map(({ code, digits }): [string, number] => [code, digits]),
  ...AMENDMENTS,
]);

/** Runs of earlier versions may have billed in any three letters; their statements are rounded to two places. */
const PLACES_OF_UNKNOWN = 2;

/** Whether one can bill in it: it is on the list, and has a minor unit to which a total can be rounded. */
export function isCurrency(code: string): boolean {
  return PLACES.has(code);
}

/** Decimal places of a currency's minor unit: USD 2, JPY 0, KWD 3, CLF 4. */
export function minorUnitPlaces(currency: string): number {
  return PLACES.get(currency) ?? PLACES_OF_UNKNOWN;
}
