import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import type { BillingRunInput } from '../../../src/contract/billing-run.js';
import { checkInput } from '../../../src/workflows/input.js';

/** Checks an input that is given as JSON. */
function check(json: string): void {
  checkInput(JSON.parse(json) as BillingRunInput);
}

function failureOf(json: string): ApplicationFailure {
  try {
    check(json);
  } catch (error) {
    return error as ApplicationFailure;
  }
  throw new Error(`${json} was accepted`);
}

describe('an input is accepted', () => {
  test.each([
    '{}',
    '{"partitions":1,"shards":1,"callsPerCycle":1}',
    '{"partitions":500,"shards":500,"callsPerCycle":1000}',
    '{"pricePerUnit":"0.0004","currency":"EUR"}',
    '{"pricePerUnit":"whatever the plan says of it"}',
  ])('%s', (json) => {
    expect(() => check(json)).not.toThrow();
  });
});

const known =
  'known are callsPerCycle, partitions, shards, holdFailedSeconds, pricePerUnit, currency, badCalls, backups';

describe('an input is refused', () => {
  test.each([
    ['null', 'must be a JSON object like {}, not null'],
    ['5', 'must be a JSON object like {}, not 5'],
    ['"{}"', 'must be a JSON object like {}, not "{}"'],
    ['[]', 'must be a JSON object like {}, not []'],
    ['{"partitions":0}', 'partitions must be a whole number from 1 to 500'],
    ['{"partitions":501}', 'partitions must be a whole number from 1 to 500'],
    ['{"shards":501}', 'shards must be a whole number from 1 to 500'],
    ['{"shards":-1}', 'shards must be a whole number from 1 to 500'],
    ['{"shards":1.5}', 'shards must be a whole number from 1 to 500'],
    ['{"shards":"8"}', 'shards must be a whole number from 1 to 500'],
    ['{"shards":null}', 'shards must be a whole number from 1 to 500'],
    ['{"callsPerCycle":1001}', 'callsPerCycle must be a whole number from 1 to 1000'],
    ['{"pricePerUnit":0.0004}', 'pricePerUnit must be a string'],
    ['{"currency":null}', 'currency must be a string'],
    ['{"partition":4}', `partition is not known; ${known}`],
    ['{"constructor":1}', `constructor is not known; ${known}`],
    ['{"__proto__":1}', `__proto__ is not known; ${known}`],
  ])('%s: %s', (json, fault) => {
    expect(failureOf(json).message).toBe(`wrong input: ${fault}`);
  });

  test('with all its faults in one message', () => {
    expect(failureOf('{"shards":0,"currency":5,"speed":"high"}').message).toBe(
      `wrong input: shards must be a whole number from 1 to 500; currency must be a string; speed is not known; ${known}`,
    );
  });

  test('and not retried', () => {
    const failure = failureOf('{"shards":0}');
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect([failure.nonRetryable, failure.type]).toEqual([true, 'BadInput']);
  });
});
