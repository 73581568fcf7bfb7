/**
 * Exact money. A price is a decimal with up to 12 places, held as a bigint count of 10^-12 units; so is an amount,
 * which is usage × price and is never rounded. Only a statement rounds, once, at its total.
 */
import { minorUnitPlaces } from './currency.js';

export class DecimalError extends Error {
  override name = 'DecimalError';
}

const PLACES = 12;
const SCALE = 10n ** 12n;

export interface Price {
  /** The price in 10^-12 of the currency's unit. */
  readonly picos: bigint;
  /** The same as a plain decimal without needless zeros, as stored and shown. */
  readonly text: string;
}

/** Parses a price: digits with at most 12 decimal places, not negative, below 10^12. Throws DecimalError. */
export function parsePrice(text: string): Price {
  const match = /^(\d{1,12})(?:\.(\d{1,12}))?$/.exec(text.trim());
  if (match === null) {
    throw new DecimalError(
      `must be a decimal like 0.0004: not negative, below 10^12, at most ${PLACES} decimal places`,
    );
  }
  const picos = BigInt(match[1]) * SCALE + BigInt((match[2] ?? '').padEnd(PLACES, '0'));
  return { picos, text: formatPicos(picos) };
}

/** Exact amount of a usage at a price, in 10^-12 of the currency's unit. */
export function amountOf(usage: bigint, price: Price): bigint {
  return usage * price.picos;
}

/** A count of 10^-12 units as a plain decimal without needless zeros: "12", "0.0004". */
export function formatPicos(picos: bigint): string {
  const sign = picos < 0n ? '-' : '';
  const absolute = picos < 0n ? -picos : picos;
  const decimals = (absolute % SCALE).toString().padStart(PLACES, '0').replace(/0+$/, '');
  return `${sign}${absolute / SCALE}${decimals === '' ? '' : `.${decimals}`}`;
}

/** Parses what formatPicos writes, and PostgreSQL's numeric with up to 12 places. Throws DecimalError. */
export function parsePicos(text: string): bigint {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text);
  if (match === null) throw new DecimalError(`"${text}" is not a decimal`);
  const decimals = (match[3] ?? '').replace(/0+$/, '');
  if (decimals.length > PLACES) throw new DecimalError(`"${text}" has more than ${PLACES} decimal places`);
  const picos = BigInt(match[2]) * SCALE + BigInt(decimals.padEnd(PLACES, '0'));
  return match[1] === '-' ? -picos : picos;
}

/** Rounds an exact amount to the currency's minor unit, half away from zero: "12.34", "-0.01". */
export function roundToMinorUnit(picos: bigint, currency: string): string {
  const places = minorUnitPlaces(currency);
  const unit = 10n ** BigInt(PLACES - places);
  const sign = picos < 0n ? -1n : 1n;
  const absolute = picos * sign;
  const floor = absolute / unit;
  const twiceRest = (absolute % unit) * 2n;
  const minor = (twiceRest >= unit ? floor + 1n : floor) * sign;
  const digits = (minor < 0n ? -minor : minor).toString().padStart(places + 1, '0');
  const whole = digits.slice(0, digits.length - places);
  const text = places === 0 ? whole : `${whole}.${digits.slice(-places)}`;
  return minor < 0n ? `-${text}` : text;
}
