/** Faults by operators: several processes end the same run at the same time. */
import { eventually } from '../support/eventually.js';
import { type CommandResult, startCommand } from '../support/processes.js';
import type { Fault, FaultScene } from './fault.js';

const COMMANDS = 2;
/** A session whose termination had begun before the fault may be counted late. */
const KILLED_BESIDE_MAX = 1;

/**
 * Two commands cancel the run while the lock that holds it also blocks the first process that ends it. Either the
 * workflow is terminated, and the next runs take the run over; or it is alive, the commands send it a request, and
 * after 15 s without an answer they discard the run themselves. None of them may end another's server process. A
 * publish that has begun wins, unless its workflow is terminated.
 *
 * The points in the middle of a COPY, and the seal's, have no lock for which a discard waits.
 */
export const endTogether: Fault = {
  name: 'ended by several processes at once',
  points: { plan: ['storing'], map: ['storing'], reduce: ['records', 'open_cycles'] },
  counts: ['wait for another process'],
  async strike(scene) {
    const { stack, held, phase, random, startRuns } = scene;
    const { runId, workflowId } = held.run;
    const terminates = random.chance(0.5);
    const before = await countKilled(scene);
    const injectedAt = new Date();
    if (terminates) await stack.temporal.workflow.getHandle(workflowId).terminate('chaos');
    const commands = Array.from({ length: COMMANDS }, () => startCommand(stack, ['cancel', runId]));
    if (terminates) await startRuns();
    const waits = await oneWaits(scene, () => commands.some(({ output }) => output.stderr.includes('being published')));
    await held.release();
    const healedAt = new Date();
    const { state, killed } = await eventually(`run ${runId} has ended`, async () => {
      const now = await countKilled(scene);
      return now.state !== 'active' && now;
    });
    const results = await Promise.all(commands.map(({ result }) => result));
    const wrong = results.filter((result) => !agrees(result, runId, state));
    if (wrong.length > 0) throw new Error(`run ${runId} is ${state}, but cancel reports ${JSON.stringify(wrong)}`);
    if (phase === 'publish' && !terminates && state !== 'published') {
      throw new Error(`run ${runId} was being published, but is ${state}`);
    }
    if (killed - before.killed > waits.attempts + KILLED_BESIDE_MAX) {
      throw new Error(`${killed - before.killed} sessions were ended, of ${waits.attempts} attempts at tasks`);
    }
    return {
      injectedAt,
      healedAt,
      effects: [{ kind: 'wait for another process', detail: `${waits.detail}, ${state}` }],
    };
  },
};

/** Returns whether a command reports the final state of the run, and nothing else. */
function agrees({ code, stdout, stderr }: CommandResult, runId: string, state: string): boolean {
  const note = `(Run ${runId} is being published; waiting for that to end …\n)?`;
  if (state === 'published') {
    const says = new RegExp(`^${note}meterfold: Run ${runId} is already published: its bills stand\\.\n$`);
    return code === 1 && stdout === '' && says.test(stderr);
  }
  const says = new RegExp(`^Run ${runId} (is cancelled; nothing of it remains|was discarded before)\\.`);
  return state === 'discarded' && code === 0 && says.test(stdout) && new RegExp(`^${note}$`).test(stderr);
}

/** Returns how many sessions of this database were terminated so far, and the run's state at the same moment. */
async function countKilled({ stack, held }: FaultScene): Promise<{ state: string; killed: number }> {
  const [now] = await stack.ask<{ state: string; killed: string }>(
    `select state, (select sessions_killed from pg_stat_database where datname = current_database()) as killed
       from meterfold.runs where run_id = $1`,
    [held.run.runId],
  );
  return { state: now!.state, killed: Number(now!.killed) };
}

/**
 * Waits until one process that ends the run waits for another. Returns how many attempts may legitimately be ended: the
 * attempts at its tasks that were observed meanwhile, and that of a publish whose workflow has ended.
 */
async function oneWaits(
  { stack, held }: FaultScene,
  saysPublishing: () => boolean,
): Promise<{ attempts: number; detail: string }> {
  const seen = new Set<string>();
  const detail = await eventually(`a process that ends run ${held.run.runId} waits for another`, async () => {
    const rows = await stack.ask<{ id: string; endable: boolean; name: string; waits: boolean }>(
      `select attempt.attempt_id as id, attempt.activity_id || ' ' || attempt.task_kind as name,
              attempt.task_number is not null or attempt.task_kind = 'publish' as endable,
              attempt.task_number is null and exists (
                select from meterfold.attempts other
                 where other.run_id = attempt.run_id and other.task_number is null
                   and other.backend_pid = any (pg_blocking_pids(attempt.backend_pid))) as waits
         from meterfold.attempts attempt where attempt.run_id = $1`,
      [held.run.runId],
    );
    for (const { id, endable } of rows) if (endable) seen.add(id);
    const waiting = rows.filter(({ waits }) => waits).map(({ name }) => name.replace(/\S{12,}/g, '…'));
    if (waiting.length > 0) return `waiting: ${waiting.join(', ')}`;
    return saysPublishing() && 'a command waits for the publish';
  });
  return { attempts: seen.size, detail };
}
