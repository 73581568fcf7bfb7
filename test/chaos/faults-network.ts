/**
 * Network faults between workers and PostgreSQL. In a phase that copies, a connection is affected in the middle of its
 * COPY; in the other phases, in the middle of the run's transaction.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Effect } from './effects.js';
import type { Fault } from './fault.js';
import type { Session } from './lock.js';
import type { Phase, Point } from './phases.js';
import type { Link } from './proxy.js';
import type { ChaosStack } from './stack.js';

const inCopy: Partial<Record<Phase, readonly Point[]>> = {
  map: ['reading', 'writing'],
  reduce: ['reading', 'writing'],
};
const SWALLOWED_MS_MIN = 1000;
const SWALLOWED_MS_MAX = 4000;
const DELAY_MS_MIN = 2500;
const DELAY_MS_MAX = 6000;
/** A session that makes no progress for this time while the proxy holds its bytes is stalled. */
const STALLED_MS = 2000;

export const cutConnections: Fault = {
  name: 'all connections cut',
  counts: ['broken connection'],
  async strike({ stack, held }) {
    const injectedAt = new Date();
    stack.database.cutAll();
    await held.release();
    return { injectedAt };
  },
};

export const cutInCopy: Fault = {
  name: 'connection cut in COPY',
  points: inCopy,
  counts: ['broken connection'],
  async strike({ held }) {
    const injectedAt = new Date();
    held.link.cut();
    await held.release();
    return { injectedAt };
  },
};

/** Bytes are dropped silently: until the connection is ended, both sides consider it open. */
export const dropInCopy: Fault = {
  name: 'connection dropped in COPY',
  points: inCopy,
  // A backup attempt may finish before the fault is noticed.
  counts: ['broken connection', 'backup'],
  async strike({ held, random }) {
    const injectedAt = new Date();
    held.link.swallow();
    await held.release();
    await delay(random.whole(SWALLOWED_MS_MIN, SWALLOWED_MS_MAX));
    held.link.cut();
    return { injectedAt, healedAt: new Date() };
  },
};

/** All open connections are dropped silently and never ended, so only the workers can notice. New connections work. */
export const vanish: Fault = {
  name: 'connections dropped for good',
  // The statement in flight may already have arrived; then a later one fails, or a backup attempt finishes first.
  counts: ['broken connection', 'backup'],
  async strike({ stack, held }) {
    const injectedAt = new Date();
    stack.database.swallowOpen();
    await held.release();
    return { injectedAt, afterwards: async () => stack.database.cutSwallowed() };
  },
};

/** Nothing is lost and nothing must be retried. The effect is that the session stalled. */
export const delayInCopy: Fault = {
  name: 'connection delayed in COPY',
  points: inCopy,
  counts: ['stall', 'backup'],
  async strike({ stack, held, random }) {
    const injectedAt = new Date();
    held.link.hold();
    await held.lock?.release();
    const delayMs = random.whole(DELAY_MS_MIN, DELAY_MS_MAX);
    await delay(delayMs - STALLED_MS);
    const before = await standing(stack, held.session, held.link);
    await delay(STALLED_MS);
    const after = await standing(stack, held.session, held.link);
    await held.release();
    const stalled = before !== undefined && before === after;
    const effects: Effect[] = stalled ? [{ kind: 'stall', detail: `held back for ${delayMs} ms: ${after}` }] : [];
    return { injectedAt, healedAt: new Date(), effects };
  },
};

/**
 * Returns the wait event in which the session waits for its client, and since when; undefined unless it waits while the
 * proxy holds its bytes.
 */
async function standing(stack: ChaosStack, { pid, startedAt }: Session, link: Link): Promise<string | undefined> {
  const rows = await stack.ask<{ standing: string }>(
    `select format('%s, %s, since %s', state, wait_event, state_change) as standing
       from pg_stat_activity where pid = $1 and backend_start::text = $2 and wait_event_type = 'Client'`,
    [pid, startedAt],
  );
  return link.bytesHeldBack > 0 ? rows[0]?.standing : undefined;
}
