/** Harm by operators: several of them end the same run. */
import { setTimeout as delay } from 'node:timers/promises';
import { startCommand } from '../support/processes.js';
import type { Effect } from './effects.js';
import type { Fault } from './fault.js';

const COMMANDS = 2;
/** How long the run stays held, at most, once they have begun. */
const HELD_MS_MAX = 3000;

/**
 * Two commands cancel the run while its workflow is terminated: both find that nobody gives it up, and so does the next run, which takes it
 * over. Whoever comes first decides, and the others say what became of the run.
 */
export const cancelTwice: Fault = {
  name: 'cancelled twice, workflow terminated',
  points: { publish: ['taking'] },
  counts: ['cancellation'],
  async strike({ stack, held, random }) {
    const { runId, workflowId } = held.run;
    const injectedAt = new Date();
    const commands = Array.from({ length: COMMANDS }, () => startCommand(stack, ['cancel', runId]).result);
    const terminated = stack.temporal.workflow.getHandle(workflowId).terminate('chaos');
    // A publish that is held keeps them waiting for as long as it is.
    if (random.chance(0.5)) await Promise.race([...commands, delay(HELD_MS_MAX)]);
    await terminated.catch(() => {});
    await held.release();
    const effects: Effect[] = [];
    return {
      injectedAt,
      effects,
      async afterwards() {
        const [run] = await stack.ask<{ state: string }>('select state from meterfold.runs where run_id = $1', [runId]);
        for (const { code, stdout, stderr } of await Promise.all(commands)) {
          const said = `${stdout}${stderr}`.trim();
          const agrees = run!.state === 'published' ? /published/.test(said) : /cancelled|discarded/.test(said);
          if (!agrees)
            throw new Error(`run ${runId} is ${run!.state}, and \`meterfold cancel\` says (${code}): ${said}`);
          effects.push({ kind: 'cancellation', detail: said });
        }
      },
    };
  },
};
