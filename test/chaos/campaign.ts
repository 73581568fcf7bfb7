/** A campaign: which cells are hit, in which order and episode, all by one seed; several episodes side by side. */

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
  /** Cells of each episode, in order. */
  episodes: Cell[][];
  /** Episodes side by side; most of an episode's time is waiting for time-outs. */
  parallel: number;
  say(line: string): void;
}

export function everyCell(): Cell[] {
  return FAULTS.flatMap((fault) => PHASES.map((phase) => ({ fault, phase })));
}

/** At least so many cells: every one as often as any other, each round of them in an order of its own. */
export function drawEpisodes(seed: string, cellsMin: number, cellsAnEpisode: number): Cell[][] {
  const random = new Random(seed).fork('cells');
  const cells: Cell[] = [];
  while (cells.length < cellsMin) cells.push(...random.shuffled(everyCell()));
  return deal(cells, Math.ceil(cells.length / cellsAnEpisode));
}

/** Deals the cells out to so many episodes, one by one. */
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

/** Runs all episodes. If one fails the others go on, and then all that failed is thrown. */
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
