/**
 * A campaign: one seed determines which cells are tested, in which order and episode. Several episodes run in parallel.
 */

import { join } from 'node:path';
import { findTemporalCli } from '../../src/embedded/temporal.js';
import { Random } from '../support/random.js';
import { repositoryDir } from '../support/repository.js';
import type { Cell } from './cell.js';
import { type EpisodeResult, runEpisode } from './episode.js';
import { FAULTS } from './faults.js';
import { PHASES } from './phases.js';

export interface Campaign {
  seed: string;
  /** The cells of each episode, in order. */
  episodes: Cell[][];
  /** The number of parallel episodes. Most of an episode's time is waiting for timeouts. */
  parallel: number;
  say(line: string): void;
}

export function everyCell(): Cell[] {
  return FAULTS.flatMap((fault) => PHASES.map((phase) => ({ fault, phase })));
}

/** Draws at least `cellsMin` cells: whole rounds of all cells, each round in a different order. */
export function drawEpisodes(seed: string, cellsMin: number, cellsAnEpisode: number): Cell[][] {
  const random = new Random(seed).fork('cells');
  const cells: Cell[] = [];
  while (cells.length < cellsMin) cells.push(...random.shuffled(everyCell()));
  return deal(cells, Math.ceil(cells.length / cellsAnEpisode));
}

/** Distributes the cells evenly over the episodes. */
export function deal(cells: readonly Cell[], episodes: number): Cell[][] {
  return Array.from({ length: episodes }, (_, number) => cells.filter((_, at) => at % episodes === number));
}

export interface CampaignResult {
  seed: string;
  startedAt: Date;
  results: EpisodeResult[];
  /** The `temporal` binary. */
  temporalCli: string;
}

/** Runs all episodes. If one fails, the others continue, and all failures are thrown at the end. */
export async function runCampaign({ seed, episodes, parallel, say }: Campaign): Promise<CampaignResult> {
  const startedAt = new Date();
  const temporalCli = await findTemporalCli(join(repositoryDir, '.meterfold', 'cache'), say);
  const results: EpisodeResult[] = [];
  const failures: Error[] = [];
  const waiting = [...episodes.entries()];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [number, cells] = next;
      try {
        results[number] = await runEpisode(temporalCli, `${seed}/${number}`, cells, say);
      } catch (error) {
        failures.push(error as Error);
        say(`failed: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  if (failures.length > 0) throw new AggregateError(failures, failures.map(({ message }) => message).join('\n\n'));
  return { seed, startedAt, results, temporalCli };
}
