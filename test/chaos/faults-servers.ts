/** Harm to the servers: Temporal, PostgreSQL, and the disk beneath. */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { fillWherePostgresWrites } from './disk.js';
import type { Effect } from './effects.js';
import type { Fault, FaultScene } from './fault.js';
import type { Session } from './lock.js';
import type { ChaosStack } from './stack.js';

/** Some of the time it is away for longer than a heartbeat may be. */
const TEMPORAL_AWAY_MS = [0, 0, 2000, 12_000];
const POSTGRES_AWAY_MS = [0, 0, 1000, 4000];
/** Past the heartbeat's time-out of 10 s. */
const SEVERED_MS_MIN = 11_500;
const SEVERED_MS_MAX = 14_000;
/** Past the next heartbeat. */
const HEARD_MS = 2500;

export const restartTemporal: Fault = {
  name: 'Temporal killed, restarted on its file',
  counts: ['broken connection', 'task time-out'],
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

/** Its successor knows nothing, at the same address. The run stays active in PostgreSQL until its lease has run out. */
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
    await hears(scene);
    await held.release();
    return { injectedAt, healedAt };
  },
};

/** The workers go on with what they have, and can't report it. */
export const severTemporal: Fault = {
  name: 'workers cut off from Temporal',
  counts: ['task time-out', 'backup'],
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
    await hears(scene);
    await held.release();
    return { injectedAt };
  },
};

export const restartPostgres: Fault = {
  name: 'PostgreSQL stopped at once, restarted',
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
  // Elsewhere a run writes too little to tables for one to have to grow: there the log is what does not fit.
  points: { map: ['storing'], reduce: ['records'] },
  counts: ['error of the database', 'broken connection'],
  strike: fillWherePostgresWrites,
};

/** Waits until the activity that is held has heard that its workflow is no more, where else it might still publish the run. */
async function hears({ stack, held, phase }: FaultScene): Promise<void> {
  // Plan's connections stay; of a small run it would go on with the rest.
  if (phase === 'plan') await delay(HEARD_MS);
  else if (phase === 'publish' || held.inPlan) await sessionGone(stack, held.session);
}

/** Its attempt ends once Temporal says that there is no such activity. */
async function sessionGone(stack: ChaosStack, { pid, startedAt }: Session): Promise<void> {
  await eventually('the attempt has been given up', async () => {
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
