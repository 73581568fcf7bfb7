/** The relations that the comment at the top of src/contract/timeouts.ts states. */
import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config.js';
import * as timeouts from '../../../src/contract/timeouts.js';
import { NOTICED_MS_MAX } from '../../../src/postgres/watch/liveness.js';

const { HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS, NEWEST_MS, STALLED_MS, RETRY_MS_MAX } = timeouts;
const { LEASE_RENEWALS, LEASE_RENEWAL_MS_MAX } = timeouts;

const leaseMs = (env: Record<string, string>) =>
  loadConfig({ DATABASE_URL: 'postgres://localhost/meterfold', ...env }).worker.leaseMs;
const DEFAULT_LEASE_MS = leaseMs({});
const LEASE_MS_MIN = leaseMs({ LEASE_SECONDS: '5' });

test.each<[relation: string, smaller: number, larger: number]>([
  ['several heartbeats may be missed', 5 * HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS],
  ['an attempt has time to act while it is the newest', NEWEST_MS + HEARTBEAT_TIMEOUT_MS / 2, HEARTBEAT_TIMEOUT_MS],
  ['a dead connection fails before its attempt counts as stalled', NOTICED_MS_MAX + HEARTBEAT_MS, STALLED_MS],
  ['a stall is a whole number of heartbeats', STALLED_MS % HEARTBEAT_MS, 0],
  ['the default lease is renewed LEASE_RENEWALS times', LEASE_RENEWAL_MS_MAX * LEASE_RENEWALS, DEFAULT_LEASE_MS],
  ['the shortest lease is renewed at each heartbeat', HEARTBEAT_MS * LEASE_RENEWALS, LEASE_MS_MIN],
  [
    'the default lease outlasts the pause between two attempts',
    HEARTBEAT_TIMEOUT_MS + RETRY_MS_MAX + 1,
    DEFAULT_LEASE_MS,
  ],
])('%s', (_relation, smaller, larger) => {
  expect(smaller).toBeLessThanOrEqual(larger);
});

test('LEASE_SECONDS cannot be shorter than the renewals need', () => {
  expect(() => leaseMs({ LEASE_SECONDS: '4' })).toThrow('LEASE_SECONDS');
});
