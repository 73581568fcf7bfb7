/**
 * Exact money. A price is a decimal with up to 12 decimal places, represented as a bigint number of picos: 10^-12 of the
 * currency's unit. So is an amount (price.ts), which is never rounded. Only a statement rounds, once, at its
 * total (currency.ts).
 */

export class DecimalError extends Error {
  override name = 'DecimalError';
}

/** Decimal places of a price and of an amount. */
export const PICO_DECIMALS = 12;
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
      `must be a decimal like 0.0004: not negative, below 10^12, at most ${PICO_DECIMALS} decimal places`,
    );
  }
  const picos = BigInt(match[1]) * SCALE + BigInt((match[2] ?? '').padEnd(PICO_DECIMALS, '0'));
  return { picos, text: formatPicos(picos) };
}

/** Formats picos as a plain decimal without trailing zeros: "12", "0.0004". */
export function formatPicos(picos: bigint): string {
  const sign = picos < 0n ? '-' : '';
  const absolute = picos < 0n ? -picos : picos;
  const decimals = (absolute % SCALE).toString().padStart(PICO_DECIMALS, '0').replace(/0+$/, '');
  return `${sign}${absolute / SCALE}${decimals === '' ? '' : `.${decimals}`}`;
}

/** Parses the output of formatPicos, and PostgreSQL's numeric with up to 12 decimal places. Throws DecimalError. */
export function parsePicos(text: string): bigint {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text);
  if (match === null) throw new DecimalError(`"${text}" is not a decimal`);
  const decimals = (match[3] ?? '').replace(/0+$/, '');
  if (decimals.length > PICO_DECIMALS)
    throw new DecimalError(`"${text}" has more than ${PICO_DECIMALS} decimal places`);
  const picos = BigInt(match[2]) * SCALE + BigInt(decimals.padEnd(PICO_DECIMALS, '0'));
  return match[1] === '-' ? -picos : picos;
}
