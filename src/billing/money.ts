/**
 * Exact money. A price is a decimal with up to 12 decimal places, represented as a bigint number of picos: 10^-12 of the
 * currency's unit. So is an amount (price.ts), which is never rounded. Only a statement rounds, once, at its
 * total.
 */
import { minorUnitDecimals } from './currency.js';

export class DecimalError extends Error {
  override name = 'DecimalError';
}

const DECIMALS = 12;
const SCALE = 10n ** 12n;

export interface Price {
  /** The price in picos. */
  readonly picos: bigint;
  /** The price as a plain decimal without trailing zeros, as stored and shown. */
  readonly text: string;
}

/** Parses a price: digits with at most 12 decimal places, not negative, below 10^12. Throws DecimalError. */
export function parsePrice(text: string): Price {
  const match = /^(\d{1,12})(?:\.(\d{1,12}))?$/.exec(text.trim());
  if (match === null) {
    throw new DecimalError(
      `must be a decimal like 0.0004: not negative, below 10^12, at most ${DECIMALS} decimal places`,
    );
  }
  const picos = BigInt(match[1]) * SCALE + BigInt((match[2] ?? '').padEnd(DECIMALS, '0'));
  return { picos, text: formatPicos(picos) };
}

/** Formats picos as a plain decimal without trailing zeros: "12", "0.0004". */
export function formatPicos(picos: bigint): string {
  const sign = picos < 0n ? '-' : '';
  const absolute = picos < 0n ? -picos : picos;
  const decimals = (absolute % SCALE).toString().padStart(DECIMALS, '0').replace(/0+$/, '');
  return `${sign}${absolute / SCALE}${decimals === '' ? '' : `.${decimals}`}`;
}

/** Parses the output of formatPicos, and PostgreSQL's numeric with up to 12 decimal places. Throws DecimalError. */
export function parsePicos(text: string): bigint {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text);
  if (match === null) throw new DecimalError(`"${text}" is not a decimal`);
  const decimals = (match[3] ?? '').replace(/0+$/, '');
  if (decimals.length > DECIMALS) throw new DecimalError(`"${text}" has more than ${DECIMALS} decimal places`);
  const picos = BigInt(match[2]) * SCALE + BigInt(decimals.padEnd(DECIMALS, '0'));
  return match[1] === '-' ? -picos : picos;
}

/** Rounds picos to the currency's minor unit, half away from zero, and formats them: "12.34", "-0.01". */
export function roundToMinorUnit(picos: bigint, currency: string): string {
  const decimals = minorUnitDecimals(currency);
  const unit = 10n ** BigInt(DECIMALS - decimals);
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
