/** Reads about runs for operators: the list of runs, and all details of one run. */
import type { BadCalls, BillingTerms } from '../billing/terms.js';
import type { Writer } from '../contract/writer.js';
import type { Pool, Queryable } from '../postgres/pool.js';
import { readSnapshot } from '../postgres/snapshot.js';
import { TERMS_SQL } from '../schema/terms.js';
import { iso } from './iso-time.js';
import { type CycleLatency, readCycleLatency } from './latency.js';
import type { RunState } from './run.js';

/** A run as listed. bigints and decimals are strings, times are ISO 8601 in UTC; null means not known yet. */
export interface RunSummary extends BillingTerms {
  runId: string;
  state: RunState;
  /** Log positions: calls after `after` up to and including `to`. */
  range: { after: string; to: string | null };
  calls: string | null;
  users: string | null;
  cycles: string | null;
  usage: string | null;
  billedUsage: string | null;
  amount: string | null;
  openedAt: string;
  publishedAt: string | null;
  discardedAt: string | null;
  revertedAt: string | null;
  /** Why the run was discarded or reverted. */
  reason: string | null;
  /** Number of calls that the run has quarantined. */
  quarantinedCalls: string;
  /** Milliseconds from opening to the end, or until now. */
  tookMs: number;
  workflowId: string;
}

interface TaskProgress {
  kind: 'map' | 'reduce' | 'recount';
  done: number;
  total: number;
}

/** What one worker process has done in a run: its activities, and the calls that they read or folded. */
interface WorkerProgress {
  worker: string;
  activities: number;
  callsMapped: string;
  callsReduced: string;
}

export interface RunDetails extends RunSummary {
  previousRunId: string | null;
  temporal: { address: string; namespace: string; firstExecutionRunId: string };
  /** The position at which sealing began. `range.to` is smaller if writers blocked the run. */
  sealPosition: string | null;
  blockedBy: Writer[];
  badCalls: BadCalls;
  /** The first calls that the run has quarantined. */
  quarantine: QuarantinedCall[];
  /** The time from a cycle's last call to its record. */
  cycleLatency: CycleLatency | null;
  carriedIn: { calls: string; usage: string } | null;
  carriedOut: { calls: string; usage: string } | null;
  proof: Record<string, unknown> | null;
  tasks: TaskProgress[];
  workers: WorkerProgress[];
  /** When an activity last worked on the run. */
  leaseRenewedAt: string | null;
}

interface QuarantinedCall {
  id: string;
  usage: string | null;
  reason: string;
}

const QUARANTINED_SHOWN = 20;

const runColumns = `
  run.run_id as "runId", run.state, json_build_object('after', run.watermark::text, 'to', run.sealed_end::text) as range,
  run.calls, run.users, run.cycles, run.usage, run.billed_usage as "billedUsage", trim_scale(run.amount) as amount,
  ${TERMS_SQL},
  ${iso('run.opened_at')} as "openedAt", ${iso('run.published_at')} as "publishedAt",
  ${iso('run.discarded_at')} as "discardedAt", ${iso('run.reverted_at')} as "revertedAt",
  coalesce(run.discard_reason, run.revert_reason) as reason, run.quarantined_calls as "quarantinedCalls",
  round(extract(epoch from coalesce(run.published_at, run.discarded_at, clock_timestamp()) - run.opened_at) * 1000)::float8
    as "tookMs",
  run.workflow_id as "workflowId"`;

/** The newest runs, newest first. */
export async function listRuns(queryable: Queryable, limit: number): Promise<RunSummary[]> {
  const { rows } = await queryable.query<RunSummary>(
    `select ${runColumns} from meterfold.runs run order by run.run_id desc limit $1`,
    [limit],
  );
  return rows;
}

/** The state of a run; undefined if it does not exist. */
export async function readRunState(queryable: Queryable, runId: string): Promise<RunState | undefined> {
  const { rows } = await queryable.query<{ state: RunState }>('select state from meterfold.runs where run_id = $1', [
    runId,
  ]);
  return rows[0]?.state;
}

/** The id of the newest run; undefined before the first run. */
export async function newestRunId(queryable: Queryable): Promise<string | undefined> {
  const { rows } = await queryable.query<{ id: string }>('select max(run_id) as id from meterfold.runs');
  return rows[0]?.id ?? undefined;
}

/** All details of a run; undefined if it does not exist. */
export function readRun(pool: Pool, runId: string): Promise<RunDetails | undefined> {
  return readSnapshot(pool, async (client) => {
    const { rows } = await client.query<Omit<RunDetails, 'tasks' | 'workers' | 'quarantine' | 'cycleLatency'>>(
      `select ${runColumns}, run.previous_run_id as "previousRunId", run.seal_position as "sealPosition",
              json_build_object('address', run.temporal_address, 'namespace', run.temporal_namespace,
                                 'firstExecutionRunId', run.first_execution_run_id) as temporal,
              coalesce(run.blocked_by, '[]') as "blockedBy", run.proof, run.bad_calls as "badCalls",
              case when run.carried_in_calls is not null then
                json_build_object('calls', run.carried_in_calls::text, 'usage', run.carried_in_usage::text)
              end as "carriedIn",
              case when run.carried_out_calls is not null then
                json_build_object('calls', run.carried_out_calls::text, 'usage', run.carried_out_usage::text)
              end as "carriedOut",
              ${iso('lease.renewed_at')} as "leaseRenewedAt"
         from meterfold.runs run
         left join meterfold.leases lease using (run_id)
        where run.run_id = $1`,
      [runId],
    );
    const run = rows[0];
    if (run === undefined) return undefined;
    return {
      ...run,
      quarantine: await readQuarantine(client, runId),
      cycleLatency: run.state === 'published' ? await readCycleLatency(client, runId, run.cycles ?? '0') : null,
      tasks: await readTasks(client, runId),
      workers: await readWorkers(client, runId),
    };
  });
}

async function readQuarantine(queryable: Queryable, runId: string): Promise<QuarantinedCall[]> {
  const { rows } = await queryable.query<QuarantinedCall>(
    `select log_position as id, usage, reason from meterfold.quarantine
      where run_id = $1 order by log_position limit ${QUARANTINED_SHOWN}`,
    [runId],
  );
  return rows;
}

async function readTasks(queryable: Queryable, runId: string): Promise<TaskProgress[]> {
  const { rows } = await queryable.query<TaskProgress>(
    `select kind, count(outcome)::integer as done, count(*)::integer as total
       from meterfold.tasks where run_id = $1
      group by kind order by array_position('{map,reduce,recount}', kind)`,
    [runId],
  );
  return rows;
}

async function readWorkers(queryable: Queryable, runId: string): Promise<WorkerProgress[]> {
  const { rows } = await queryable.query<WorkerProgress>(
    `select worker, count(*)::integer as activities,
            coalesce(sum((outcome->>'calls')::numeric) filter (where kind = 'map'), 0) as "callsMapped",
            coalesce(sum((outcome->>'calls')::numeric) filter (where kind = 'reduce'), 0) as "callsReduced"
       from meterfold.tasks where run_id = $1 and worker is not null
      group by worker order by worker`,
    [runId],
  );
  return rows;
}
