/**
 * Currencies and their minor units by ISO 4217. ICU, which Node uses, does not have them: it formats amounts in the usual
 * notation (HUF without decimals), and accepts any three letters as a currency.
 *
 * Source: ISO 4217 list one, as published by the package currency-codes, and later amendments.
 */
import currencyCodes from 'currency-codes';
import { PICO_DECIMALS } from './money.js';

/**
 * Amendments with the decimals of the minor unit. 176: the Caribbean guilder, from 2025-03-31. 177: the Arab
 * accounting dinar, from 2025-05-12.
 */
const AMENDMENTS: readonly [code: string, decimals: number][] = [
  ['XCG', 2],
  ['XAD', 2],
];

/** Codes without a minor unit ("N.A." in the list, 0 in the package): metals, units of account, no currency, tests. */
const WITHOUT_MINOR_UNIT = new Set('XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' '));

const DECIMALS: ReadonlyMap<string, number> = new Map([
  ...currencyCodes.data
    .filter(({ code }) => !WITHOUT_MINOR_UNIT.has(code))
    .map(({ code, digits }): [string, number] => [code, digits]),
  ...AMENDMENTS,
]);

/** For a stored currency that is not on the list. */
const DECIMALS_OF_UNKNOWN = 2;

/** True if the code is on the list and has a minor unit, to which a total can be rounded. */
export function isCurrency(code: string): boolean {
  return DECIMALS.has(code);
}

/** The decimals of a currency's minor unit: USD 2, JPY 0, KWD 3, CLF 4. */
export function minorUnitDecimals(currency: string): number {
  return DECIMALS.get(currency) ?? DECIMALS_OF_UNKNOWN;
}

/** Rounds picos to the currency's minor unit, half away from zero, and formats them: "12.34", "-0.01". */
export function roundToMinorUnit(picos: bigint, currency: string): string {
  const decimals = minorUnitDecimals(currency);
  const unit = 10n ** BigInt(PICO_DECIMALS - decimals);
  const sign = picos < 0n ? -1n : 1n;
  const absolute = picos * sign;
  const floor = absolute / unit;
  const twiceRest = (absolute % unit) * 2n;
  const minor = (twiceRest >= unit ? floor + 1n : floor) * sign;
  const digits = (minor < 0n ? -minor : minor).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const text = decimals === 0 ? whole : `${whole}.${digits.slice(-decimals)}`;
  return minor < 0n ? `-${text}` : text;
}
