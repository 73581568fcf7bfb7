/**
 * Failover faults: the primary is replaced by a standby that had received less WAL than the replica from which map
 * reads.
 */
import { eventually } from '../support/eventually.js';
import { startReplica } from '../support/replica.js';
import type { Fault, FaultScene } from './fault.js';
import type { ChaosStack } from './stack.js';

const CALLS = 500;
/** The errors that a worker logs if a replica does not show the run: it may catch up, or it is past the seal. */
const REFUSED = /Replica(?:Behind|Unfit)Error/;
/** Longer than an attempt waits for a replica. */
const REFUSED_MS_MAX = 90_000;

/** Inserts CALLS calls with the same usages, for users with the prefix `whose`. */
const insertCalls = (stack: ChaosStack, whose: string) =>
  stack.ask(
    `insert into public.api_logs (user_id, call_id, usage, called_at)
     select $1 || n % 50, $1, n, now() from generate_series(1, ${CALLS}) n`,
    [whose],
  );

/**
 * Writers pause meanwhile, because commits that were confirmed to them would be lost with the old primary. Other runs
 * cannot proceed either, because the active one is held, though not by a lock on the log. The fault itself inserts the
 * calls that only the replica has, and those that get the same positions on the new primary.
 */
export const failOverBehindReplica: Fault = {
  name: 'failed over, the replica on the old timeline',
  points: { plan: ['storing'], map: ['storing'], reduce: ['records', 'open_cycles'], publish: ['taking'] },
  counts: ['stall'],
  async strike(scene) {
    const { stack, held, workers, inflow, random } = scene;
    return inflow.resting(async () => {
      const servers = {
        postgresUrl: stack.databaseUrl,
        templateDatabase: stack.databaseName,
        stateDir: stack.stateDir,
      };
      const standby = await startReplica(servers);
      const replica = await startReplica(servers);
      await stack.caughtUp(standby);
      await standby.halt();
      const injectedAt = new Date();
      await insertCalls(stack, 'lost ');
      // Decides whether the replica's WAL position is beyond that of the new primary.
      if (random.chance(0.5)) await stack.ask('select pg_switch_wal()');
      await insertCalls(stack, 'also lost ');
      await stack.caughtUp(replica);
      await stack.failOverTo(standby);
      try {
        await workers.restart({ LOG_REPLICA_URL: replica.urlOf(stack.databaseName) });
        await held.release();
        await insertCalls(stack, 'kept ');
        await insertCalls(stack, 'also kept ');
        const message = await refused(scene);
        await workers.restart({});
        return { injectedAt, healedAt: new Date(), effects: [{ kind: 'stall', detail: message }] };
      } finally {
        await replica.stop();
      }
    });
  },
};

/** Waits until a worker has refused the replica, and returns its message. */
function refused({ workers, startRuns }: FaultScene): Promise<string> {
  let asked = false;
  return eventually(
    'a worker refuses the replica',
    async () => {
      // The schedule starts runs too, but the held run may have been its last for a while.
      if (!asked) await startRuns();
      asked = true;
      for (const worker of workers.running) {
        const found = REFUSED.exec(worker.logs());
        if (found !== null) return found[0];
      }
      return undefined;
    },
    REFUSED_MS_MAX,
  );
}
