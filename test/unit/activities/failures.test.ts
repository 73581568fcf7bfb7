import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { ProofError, toFailure } from '../../../src/activities/failures.js';
import { SegmentError } from '../../../src/engine/segment.js';
import { InvariantError } from '../../../src/invariant.js';
import { BadCallError, CallOrderError } from '../../../src/log/reader.js';
import { CopyFormatError } from '../../../src/postgres/copy/copy-out.js';
import { AlreadyPublishedError } from '../../../src/runs/discard.js';
import { FrozenTermError } from '../../../src/runs/open.js';
import { RunGoneError } from '../../../src/runs/run.js';
import { LogSequenceError } from '../../../src/runs/seal.js';

function failureOf(error: unknown): ApplicationFailure {
  const failure = toFailure(error);
  expect(failure).toBeInstanceOf(ApplicationFailure);
  return failure as ApplicationFailure;
}

const errors = {
  RunGoneError,
  AlreadyPublishedError,
  FrozenTermError,
  BadCallError,
  CallOrderError,
  CopyFormatError,
  LogSequenceError,
  SegmentError,
  ProofError,
  InvariantError,
};

describe('an error is final:', () => {
  test.each(Object.entries(errors))('%s, by its name', (name, OwnError) => {
    const error = new OwnError('what is wrong');
    const failure = failureOf(error);
    expect([failure.nonRetryable, failure.type, failure.message]).toEqual([true, name, 'what is wrong']);
    expect(failure.cause).toBe(error);
  });
});

function postgresError(code: string): Error {
  return Object.assign(new Error('what the server says'), { name: 'error', code });
}

describe('an error of PostgreSQL is final:', () => {
  test.each([
    ['22P02', 'data exception'],
    ['22003', 'data exception'],
    ['23505', 'a constraint is violated'],
    ['23514', 'a constraint is violated'],
    ['3F000', 'the schema is missing: run `meterfold migrate`'],
    ['42P01', 'a table is missing: run `meterfold migrate`'],
    ['42703', 'a column is missing: run `meterfold migrate`'],
    ['42601', 'a table, column or privilege is missing: `meterfold doctor` says which'],
    [
      '42501',
      'the role lacks a privilege: `meterfold doctor` lists those it needs; grant them, or connect as the owner',
    ],
  ])('%s: %s', (code, reason) => {
    const failure = failureOf(postgresError(code));
    expect(failure.nonRetryable).toBe(true);
    expect(failure.type).toBe(`PostgreSQL ${code}`);
    expect(failure.message).toBe(`PostgreSQL: what the server says (${reason})`);
  });
});

describe('an error of PostgreSQL is retried:', () => {
  test.each([
    ['08006', 'connection failure'],
    ['08P01', 'protocol violation, of a connection cut in the middle'],
    ['28P01', 'a password that is being changed'],
    ['40001', 'serialization failure'],
    ['40P01', 'deadlock'],
    ['53100', 'disk full'],
    ['53300', 'too many connections'],
    ['55P03', 'lock not available'],
    ['57014', 'query cancelled'],
    ['57P01', 'server shut down, or our backend ended'],
    ['57P03', 'server starting up'],
    ['58030', 'IO error'],
    ['XX000', 'internal error'],
  ])('%s: %s', (code) => {
    const failure = failureOf(postgresError(code));
    expect(failure.nonRetryable).toBe(false);
    expect(failure.type).toBe(`PostgreSQL ${code}`);
    expect(failure.message).toMatch(/^PostgreSQL: what the server says( \([^()]+\))?$/);
  });

  test('the message explains an error that is known', () => {
    expect(failureOf(postgresError('57P03')).message).toBe(
      'PostgreSQL: what the server says (the server is starting or stopping: try again in a moment)',
    );
  });
});

test('a standby that accepts no writes is retried, because it may be promoted, and the message explains it', () => {
  const failure = failureOf(postgresError('25006'));
  expect([failure.nonRetryable, failure.type, failure.message]).toEqual([
    false,
    'PostgreSQL 25006',
    'PostgreSQL: what the server says (a standby accepts no writes: set DATABASE_URL to the primary)',
  ]);
});

describe('a refusal by a server or pooler that is not set up for meterfold is final, and named:', () => {
  test.each([
    [
      '42501',
      'check_enable_rls',
      'would be affected by the policy of "api_logs"',
      'RowSecurityError',
      /on api_logs would/,
    ],
    [
      '42P05',
      'StorePreparedStatement',
      'prepared statement "a" already exists',
      'PoolModeError',
      /pool_mode = session/,
    ],
    [
      '26000',
      'FetchPreparedStatement',
      'prepared statement "a" does not exist',
      'PoolModeError',
      /pool_mode = session/,
    ],
    [
      '08P01',
      undefined,
      'transaction blocks not allowed in statement pooling mode',
      'PoolModeError',
      /pool_mode = session/,
    ],
    ['08P01', undefined, 'unsupported startup parameter: options', 'StartupParameterError', /parameter options/],
  ])('%s of %s, %s', (code, routine, message, type, said) => {
    const failure = failureOf(Object.assign(new Error(message), { name: 'error', code, routine }));
    expect([failure.nonRetryable, failure.type]).toEqual([true, type]);
    expect(failure.message).toMatch(said);
  });
});

describe('an error of the connection is retried:', () => {
  test.each(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND'])('%s', (code) => {
    const failure = failureOf(Object.assign(new Error(`connect ${code}`), { code }));
    expect(failure.nonRetryable).toBe(false);
    expect(failure.type).toBe('Error');
    expect(failure.message).toMatch(new RegExp(`^PostgreSQL is not reachable: connect ${code} \\(.+\\)$`));
  });

  test('an unknown error is retried', () => {
    const failure = failureOf(new RangeError('what?'));
    expect([failure.nonRetryable, failure.type, failure.message]).toEqual([false, 'RangeError', 'what?']);
  });
});

describe('unchanged is', () => {
  test('a failure that itself says whether it is retried', () => {
    const final = ApplicationFailure.nonRetryable('no', 'BadInput');
    const other = ApplicationFailure.retryable('later', 'Busy');
    expect(toFailure(final)).toBe(final);
    expect(toFailure(other)).toBe(other);
  });

  test('a cancellation', () => {
    const cancelled = new CancelledFailure('cancelled');
    expect(toFailure(cancelled)).toBe(cancelled);
  });
});
