/** Worker faults: SIGKILL of one, several and all workers, SIGSTOP and SIGCONT. */
import { contents } from '../support/contents.js';
import { eventually } from '../support/eventually.js';
import type { WorkerProcess } from '../support/processes.js';
import type { Fault, FaultScene, Struck } from './fault.js';
import { isStopped } from './workers.js';

const counts = ['task timeout', 'broken connection', 'other failed attempt', 'backup'] as const;

export const killOne: Fault = {
  name: 'one worker killed',
  counts,
  strike: (scene) => kill(scene, [scene.held.worker]),
};

export const killSeveral: Fault = {
  name: 'several workers killed',
  counts,
  strike(scene) {
    const { held, workers, random } = scene;
    const others = workers.running.filter((worker) => worker !== held.worker);
    return kill(scene, [held.worker, random.pick(others)]);
  },
};

export const killAll: Fault = {
  name: 'all workers killed',
  counts,
  strike: (scene) => kill(scene, scene.workers.running),
};

async function kill({ held }: FaultScene, victims: WorkerProcess[]): Promise<Struck> {
  const injectedAt = new Date();
  for (const victim of victims) victim.kill('SIGKILL');
  await Promise.all(victims.map((victim) => victim.ended));
  await held.release();
  return { injectedAt };
}

/**
 * The run must end while the worker is still stopped. When it continues, the worker must not change the run any more,
 * neither by its interrupted work nor by its work until it has drained.
 */
export const freezeWorker: Fault = {
  name: 'one worker frozen',
  counts: ['task timeout', 'backup'],
  async strike({ stack, held }) {
    const { worker } = held;
    const injectedAt = new Date();
    worker.kill('SIGSTOP');
    await eventually('the worker is stopped', () => isStopped(worker.pid));
    await held.release();
    return {
      injectedAt,
      async afterwards() {
        if (!(await isStopped(worker.pid)))
          throw new Error('the worker should have been stopped until its run has ended');
        await stack.rest();
        const before = await contents(stack, ['meterfold']);
        worker.kill('SIGCONT');
        const ended = await worker.stop();
        if (ended.code !== 0) throw new Error(`the worker that was frozen ended with ${JSON.stringify(ended)}`);
        const after = await contents(stack, ['meterfold']);
        const changed = Object.keys(before).filter((table) => before[table] !== after[table]);
        if (changed.length > 0) throw new Error(`a frozen worker has changed ${changed.join(', ')} after it continued`);
        await stack.resumeSchedule();
      },
    };
  },
};
