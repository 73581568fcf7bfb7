/**
 * Checks the input of a run. Wrong input fails the workflow at once; Temporal would retry a plain error forever. The
 * plan checks the format of prices and currencies, because it knows the settings that complete the input.
 */
import { ApplicationFailure } from '@temporalio/common';
import { PRICE_FIELDS } from '../billing/price.js';
import type { BillingRunInput } from '../contract/billing-run.js';

/** The largest value of each field that is a number; the smallest is 1. */
const NUMBERS = { callsPerCycle: 1000, partitions: 500, shards: 500, holdFailedSeconds: 86_400 } as const;
const TEXTS: readonly string[] = PRICE_FIELDS;
const KNOWN = [...Object.keys(NUMBERS), ...TEXTS, 'badCalls', 'backups'];

export function checkInput(input: BillingRunInput): void {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw badInput([`must be a JSON object like {}, not ${JSON.stringify(input)}`]);
  }
  const faults: string[] = [];
  for (const [field, value] of Object.entries(input)) {
    const most = Object.hasOwn(NUMBERS, field) ? NUMBERS[field as keyof typeof NUMBERS] : undefined;
    if (most !== undefined) {
      if (!Number.isInteger(value) || value < 1 || value > most)
        faults.push(`${field} must be a whole number from 1 to ${most}`);
    } else if (TEXTS.includes(field)) {
      if (typeof value !== 'string') faults.push(`${field} must be a string`);
    } else if (field === 'badCalls') {
      if (value !== 'stop' && value !== 'quarantine') faults.push('badCalls must be "stop" or "quarantine"');
    } else if (field === 'backups') {
      if (typeof value !== 'boolean') faults.push('backups must be true or false');
    } else faults.push(`${field} is not known; known are ${KNOWN.join(', ')}`);
  }
  if (faults.length > 0) throw badInput(faults);
}

function badInput(faults: string[]): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`wrong input: ${faults.join('; ')}`, 'BadInput');
}
