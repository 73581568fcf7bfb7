/** Server faults: Temporal, PostgreSQL, and its disk. */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { fillWherePostgresWrites } from './disk.js';
import type { Effect } from './effects.js';
import type { Fault, FaultScene } from './fault.js';
import type { Session } from './lock.js';
import type { ChaosStack } from './stack.js';

/** One of these exceeds the heartbeat timeout. */
const TEMPORAL_AWAY_MS = [0, 0, 2000, 12_000];
const POSTGRES_AWAY_MS = [0, 0, 1000, 4000];
/** Longer than the heartbeat timeout of 10 s. */
const SEVERED_MS_MIN = 11_500;
const SEVERED_MS_MAX = 14_000;
/** Longer than the time until the next heartbeat. */
const HEARD_MS = 2500;

export const restartTemporal: Fault = {
  name: 'Temporal killed, restarted with its data',
  counts: ['broken connection', 'task timeout'],
  async strike({ stack, held, random }) {
    const broken = stack.workersTemporal.brokenByServer;
    const releasesFirst = random.chance(0.5);
    const injectedAt = new Date();
    await stack.killTemporal();
    if (releasesFirst) await held.release();
    await delay(random.pick(TEMPORAL_AWAY_MS));
    await stack.startTemporal({ empty: false });
    const healedAt = new Date();
    await held.release();
    return { injectedAt, healedAt, effects: brokenSince(broken, stack.workersTemporal.brokenByServer) };
  },
};

/**
 * Temporal is replaced by an empty server at the same address. The run stays active in PostgreSQL until its lease has
 * expired.
 */
export const loseTemporal: Fault = {
  name: 'Temporal lost',
  points: { publish: ['taking'] },
  counts: ['takeover'],
  async strike(scene) {
    const { stack, held } = scene;
    const injectedAt = new Date();
    await stack.killTemporal();
    await stack.startTemporal({ empty: true });
    await stack.setSchedule();
    const healedAt = new Date();
    await noticesEnd(scene);
    await held.release();
    return { injectedAt, healedAt };
  },
};

/** The workers continue with their current activities, and cannot report them. */
export const severTemporal: Fault = {
  name: 'workers cut off from Temporal',
  counts: ['task timeout', 'backup'],
  async strike({ stack, held, random }) {
    const injectedAt = new Date();
    stack.workersTemporal.swallowAll();
    await held.release();
    await delay(random.whole(SEVERED_MS_MIN, SEVERED_MS_MAX));
    stack.workersTemporal.heal();
    return { injectedAt, healedAt: new Date() };
  },
};

export const terminateWorkflow: Fault = {
  name: 'workflow terminated',
  points: { publish: ['taking'] },
  counts: ['takeover'],
  async strike(scene) {
    const { stack, held } = scene;
    const injectedAt = new Date();
    await stack.temporal.workflow.getHandle(held.run.workflowId).terminate('chaos');
    await noticesEnd(scene);
    await held.release();
    return { injectedAt };
  },
};

export const restartPostgres: Fault = {
  name: 'PostgreSQL crashed, restarted',
  counts: ['broken connection', 'lost segments'],
  mustSee: { reduce: 'lost segments' },
  async strike({ stack, held, random }) {
    const injectedAt = new Date();
    await stack.stopPostgres();
    await held.release();
    await delay(random.pick(POSTGRES_AWAY_MS));
    await stack.startPostgres();
    return { injectedAt, healedAt: new Date() };
  },
};

export const fillDisk: Fault = {
  name: 'disk full',
  // At other points a run writes too little for a table to grow; there the WAL does not fit.
  points: { map: ['storing'], reduce: ['records'] },
  counts: ['database error', 'broken connection'],
  strike: fillWherePostgresWrites,
};

/**
 * Waits until the held activity knows that its workflow has ended, because otherwise it might still publish the run.
 */
async function noticesEnd({ stack, held, phase }: FaultScene): Promise<void> {
  // Plan keeps its connections; for a small run it would continue with the other phases.
  if (phase === 'plan') await delay(HEARD_MS);
  else if (phase === 'publish' || held.inPlan) await sessionGone(stack, held.session);
}

/** Waits for the end of the session: its attempt ends once Temporal reports that the activity does not exist. */
async function sessionGone(stack: ChaosStack, { pid, startedAt }: Session): Promise<void> {
  await eventually('the attempt has ended', async () => {
    const rows = await stack.ask('select from pg_stat_activity where pid = $1 and backend_start::text = $2', [
      pid,
      startedAt,
    ]);
    return rows.length === 0;
  });
}

function brokenSince(before: number, now: number): Effect[] {
  return now > before
    ? [{ kind: 'broken connection', detail: `${now - before} of the workers' connections to Temporal` }]
    : [];
}
