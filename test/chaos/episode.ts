/** One episode: its own stack, workers, a schedule, a continuous inflow of calls, and one fault after the other. */
import { eventually } from '../support/eventually.js';
import { Random } from '../support/random.js';
import { addTallies, type Tally, tallyOf } from '../support/tally.js';
import { type Bills, judgeBills } from './bills.js';
import { type Cell, type Ground, hit, type Observed } from './cell.js';
import { Inflow } from './inflow.js';
import { ChaosStack } from './stack.js';
import { Workers } from './workers.js';

const WORKERS = 3;
const WRITERS = 3;

export interface EpisodeResult {
  observed: Observed[];
  bills: Bills;
  runs: { published: number; discarded: number };
  tally: Tally;
  postgresVersion: string;
}

export async function runEpisode(
  temporalCli: string,
  seed: string,
  cells: readonly Cell[],
  say: (line: string) => void,
): Promise<EpisodeResult> {
  const random = new Random(seed);
  const stack = await ChaosStack.open(temporalCli);
  try {
    const workers = await Workers.start(stack, WORKERS);
    const inflow = new Inflow(stack, random.fork('inflow'), WRITERS);
    const ground = { stack, workers, inflow };
    const observed: Observed[] = [];
    for (const [number, cell] of cells.entries()) {
      const what = `${seed} #${number} ${cell.fault.name} × ${cell.phase}`;
      try {
        const tries = await hit(ground, cell, `${number}`, random.fork(`cell ${number}`));
        observed.push(...tries);
        say(`${what}: ${describe(tries)}`);
      } catch (error) {
        throw new Error(`${what}: ${(error as Error).message}\n${await diagnose(ground)}`, { cause: error });
      }
    }
    await inflow.stop();
    const bills = await billTheRest(stack);
    const misremembered = await inflow.misremembered();
    if (misremembered.length > 0)
      throw new Error(`the log contradicts the commits that its writers received: ${misremembered.join('; ')}`);
    const [version] = await stack.ask<{ server_version: string }>('show server_version');
    return {
      observed,
      bills,
      runs: await countRuns(stack),
      tally: await tallyAll(stack),
      postgresVersion: version!.server_version,
    };
  } finally {
    await stack.close();
  }
}

function describe(tries: Observed[]): string {
  const { point, ending, recoveryMs, effects } = tries.at(-1)!;
  const again = tries.length > 1 ? ` at try ${tries.length}` : '';
  return `${point}, ${ending}, ${(recoveryMs / 1000).toFixed(1)} s${again}: ${effects.map((effect) => `${effect.kind} (${effect.detail})`).join('; ')}`;
}

/** Waits for the last run, which the schedule starts: after it the bills cover the whole log. */
async function billTheRest(stack: ChaosStack): Promise<Bills> {
  const [log] = await stack.ask<{ last: string }>('select coalesce(max(id), 0) as last from public.api_logs');
  const bills = await eventually('all calls are billed', async () => {
    const judged = await judgeBills(stack);
    return BigInt(judged.watermark) >= BigInt(log!.last) && judged;
  });
  await stack.rest();
  return bills;
}

async function countRuns(stack: ChaosStack): Promise<EpisodeResult['runs']> {
  const [counts] = await stack.ask<{ published: string; discarded: string }>(
    `select count(*) filter (where state = 'published') as published,
            count(*) filter (where state = 'discarded') as discarded from meterfold.runs`,
  );
  return { published: Number(counts!.published), discarded: Number(counts!.discarded) };
}

/** Tallies Temporal's histories. Servers that were lost are started again only for this purpose. */
async function tallyAll(stack: ChaosStack): Promise<Tally> {
  const tallies = [await tallyOf(stack.temporal)];
  for (const dir of stack.temporalDirs.slice(0, -1)) tallies.push(await stack.withLostTemporal(dir, tallyOf));
  return addTallies(tallies);
}

/** Collects diagnostic information for a failed cell. */
async function diagnose({ stack, workers }: Ground): Promise<string> {
  const sessions = await stack.ask(
    `select pid, application_name, state, wait_event_type, wait_event, pg_blocking_pids(pid) as blocked_by, query_start,
            left(query, 120) as query
       from pg_stat_activity where application_name <> '' order by query_start`,
  );
  const runs = await stack.ask(
    `select run_id, state, workflow_id, discard_reason, opened_at, published_at from meterfold.runs order by run_id desc limit 5`,
  );
  return [...sessions, ...runs].map((row) => JSON.stringify(row)).join('\n') + workers.lastLines();
}
