/**
 * Harm to the connections between workers and PostgreSQL. Where a phase copies, the one connection is hit in the middle of its COPY;
 * in the others, in the middle of the run's transaction.
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
/** A session that has not moved for so long while the proxy holds its bytes is stalled. */
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

/** Swallowed bytes, and no sign of it: until the connection is ended both sides believe in it. */
export const dropInCopy: Fault = {
  name: 'connection dropped in COPY',
  points: inCopy,
  // A backup may be done before anybody notices.
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

/** All that is open is swallowed, and nobody ever ends it: only the workers themselves can notice. New connections pass. */
export const vanish: Fault = {
  name: 'connections swallowed for good',
  // What was in flight may have arrived before; then a later statement fails, or a backup is done before.
  counts: ['broken connection', 'backup'],
  async strike({ stack, held }) {
    const injectedAt = new Date();
    stack.database.swallowOpen();
    await held.release();
    return { injectedAt, afterwards: async () => stack.database.cutSwallowed() };
  },
};

/** Nothing is lost and nothing need be tried again: what is to be seen is that the session stood still. */
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

/** What the session waits for its client in, and since when; undefined unless it does, with bytes of it held back. */
async function standing(stack: ChaosStack, { pid, startedAt }: Session, link: Link): Promise<string | undefined> {
  const rows = await stack.ask<{ standing: string }>(
    `select format('%s, %s, since %s', state, wait_event, state_change) as standing
       from pg_stat_activity where pid = $1 and backend_start::text = $2 and wait_event_type = 'Client'`,
    [pid, startedAt],
  );
  return link.bytesHeldBack > 0 ? rows[0]?.standing : undefined;
}
