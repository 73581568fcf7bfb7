/**
 * The phases of a run, and the points in each phase at which a run is held while a fault is injected.
 *
 *   plan     sealing      the run's row exists, its end is not sealed
 *            storing      the end is sealed, the tasks are not stored
 *   map      storing      calls are read, their segments are not stored    | reading, writing: in the middle of the COPY
 *   reduce   records      segments are read, no record is written          | reading, writing: in the middle of the COPY
 *            open_cycles  records are written, open cycles are not
 *   recount  counting     its statement has not begun
 *   publish  taking       the run's row is not locked yet
 *            flipping     the run is proved, but not visible
 *            sweeping     the run is visible, but the workflow does not know
 *
 * A lock holds the run at the points in the first column. At the points in the middle of a COPY, the proxy holds the
 * connection within a chunk.
 */
import { eventually } from '../support/eventually.js';
import type { WorkerProcess } from '../support/processes.js';
import type { Random } from '../support/random.js';
import { insist } from './insist.js';
import { Lock, type RunStarter, SESSION_COLUMNS, type Session } from './lock.js';
import type { Link } from './proxy.js';
import type { ChaosStack } from './stack.js';
import type { Workers } from './workers.js';

export const PHASES = ['plan', 'map', 'reduce', 'recount', 'publish'] as const;
export type Phase = (typeof PHASES)[number];

export const POINTS = {
  plan: ['sealing', 'storing'],
  map: ['storing', 'reading', 'writing'],
  reduce: ['records', 'open_cycles', 'reading', 'writing'],
  recount: ['counting'],
  publish: ['taking', 'flipping', 'sweeping'],
} as const satisfies Record<Phase, readonly string[]>;
export type Point = (typeof POINTS)[Phase][number];

/** A COPY is stopped after at most this many bytes of rows; each COPY of a burst's calls has more. */
const COPIED_MAX = 4000;

export interface HeldRun {
  runId: string;
  workflowId: string;
}

export interface Held {
  run: HeldRun;
  point: Point;
  session: Session;
  worker: WorkerProcess;
  /** The connection of the session. */
  link: Link;
  /** The lock that holds the run; undefined in the middle of a COPY. */
  lock: Lock | undefined;
  /** True if it is held in the plan activity, which does all phases of a small run. */
  inPlan: boolean;
  /** Lets the run continue. */
  release(): Promise<void>;
}

export interface HoldScene extends RunStarter {
  stack: ChaosStack;
  workers: Workers;
  random: Random;
}

/** Starts runs until one reaches the point, and holds it there. */
export async function holdAt(scene: HoldScene, phase: Phase, point: Point): Promise<Held> {
  if (point === 'reading' || point === 'writing') return holdInCopy(scene, phase, point);
  const { stack } = scene;
  const first = (sql: string) => Lock.takeBetweenRuns(stack, sql);
  switch (point) {
    case 'sealing':
      // Readers of the log wait, and its writers too.
      return holdByLock(scene, point, await first('lock table public.api_logs in access exclusive mode'), 'max(id)');
    case 'storing':
      return phase === 'plan'
        ? holdByLock(scene, point, await first(share('tasks')), 'insert into meterfold.tasks')
        : holdByLock(scene, point, await first(share('segments')), 'copy segments');
    case 'records':
      return holdByLock(scene, point, await first(share('records')), 'copy records');
    case 'open_cycles':
      return holdByLock(scene, point, await first(share('open_cycles')), 'copy open_cycles');
    case 'counting':
      return holdLater(scene, point, {
        first: { sql: share('segments'), query: 'copy segments' },
        // The lock of the outcome, which immediately precedes the statement.
        second: (runId) => `select from meterfold.tasks where run_id = ${runId} and kind = 'recount' for update`,
        query: 'from meterfold.tasks',
      });
    case 'taking':
      return holdLater(scene, point, {
        first: { sql: share('open_cycles'), query: 'copy open_cycles' },
        second: (runId) => `select from meterfold.runs where run_id = ${runId} for share`,
        query: 'for update',
      });
    case 'flipping':
      return holdLater(scene, point, {
        first: { sql: share('open_cycles'), query: 'copy open_cycles' },
        second: () => share('runs'),
        query: `set state = 'published'`,
      });
    case 'sweeping':
      return holdLater(scene, point, {
        first: { sql: share('open_cycles'), query: 'copy open_cycles' },
        second: () => share('segments'),
        query: 'delete from meterfold.segments',
      });
  }
}

/** Returns a lock statement that blocks writers to the table. */
function share(table: string): string {
  return `lock table meterfold.${table} in share mode`;
}

async function holdByLock(scene: HoldScene, point: Point, lock: Lock, query: string): Promise<Held> {
  const session = await lock.bringHere(query, scene);
  return held(scene, point, await activeRun(scene.stack), session, lock);
}

interface LaterHold {
  /** The lock that holds the run in an earlier phase while the second lock is taken. */
  first: { sql: string; query: string };
  second(runId: string): string;
  query: string;
}

async function holdLater(scene: HoldScene, point: Point, later: LaterHold): Promise<Held> {
  const first = await Lock.takeBetweenRuns(scene.stack, later.first.sql);
  await first.bringHere(later.first.query, scene);
  const run = await activeRun(scene.stack);
  const second = await Lock.take(scene.stack, later.second(run.runId));
  await first.release();
  return held(scene, point, run, await second.waiting(later.query), second);
}

const COPIES: Record<'map' | 'reduce', Record<'reading' | 'writing', RegExp>> = {
  map: { reading: /copy \(select id, usage, called_at, user_id/, writing: /copy segments \(/ },
  reduce: { reading: /stored\.data/, writing: /copy (records|open_cycles) \(/ },
};

async function holdInCopy(scene: HoldScene, phase: Phase, point: 'reading' | 'writing'): Promise<Held> {
  if (phase !== 'map' && phase !== 'reduce') throw new Error(`${phase} copies nothing`);
  const { stack, random } = scene;
  const trigger = { sql: COPIES[phase][point], bytes: random.whole(1, COPIED_MAX) };
  // The schedule starts runs too, which may already have billed the calls.
  const startRuns = async () => {
    await scene.moreCalls();
    await scene.startRuns();
  };
  const link = await insist(startRuns, (signal) => stack.database.catchCopy(trigger, signal));
  const session = await eventually('PostgreSQL shows the copying session', async () => {
    const rows = await stack.ask<Session>(
      `select ${SESSION_COLUMNS} from pg_stat_activity session where session.client_port = $1`,
      [link.serverSidePort],
    );
    return rows[0];
  });
  return held(scene, point, await activeRun(stack), session, undefined, link);
}

async function held(
  { stack, workers }: HoldScene,
  point: Point,
  run: HeldRun,
  session: Session,
  lock: Lock | undefined,
  known?: Link,
): Promise<Held> {
  const worker = workers.named(session.application);
  const link = known ?? [...stack.database.links].find((one) => one.serverSidePort === session.port);
  if (worker === undefined || link === undefined)
    throw new Error(`${session.application} is not a worker of this stack`);
  const { raw } = await stack.temporal.workflow.getHandle(run.workflowId).describe();
  return {
    run,
    point,
    session,
    worker,
    link,
    lock,
    inPlan: (raw.pendingActivities ?? []).some(({ activityType }) => activityType?.name === 'planRun'),
    async release() {
      link.resume();
      await lock?.release();
    },
  };
}

async function activeRun(stack: ChaosStack): Promise<HeldRun> {
  const rows = await stack.ask<HeldRun>(
    `select run_id as "runId", workflow_id as "workflowId" from meterfold.runs where state = 'active'`,
  );
  if (rows[0] === undefined) throw new Error('no run is active');
  return rows[0];
}
