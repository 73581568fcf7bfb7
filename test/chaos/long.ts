import { test } from 'vitest';
import { drawEpisodes, runCampaign } from './campaign.js';

const env = process.env;
const seed = env.CHAOS_SEED ?? '1';
const faults = Number(env.CHAOS_FAULTS ?? 300);
const parallel = Number(env.CHAOS_PARALLEL ?? 3);
const CELLS_AN_EPISODE = 24;

test('chaos', async () => {
  const say = (line: string) => void process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
  const results = await runCampaign({ seed, episodes: drawEpisodes(seed, faults, CELLS_AN_EPISODE), parallel, say });
  say(JSON.stringify(results.map(({ tally, runs, bills }) => ({ tally, runs, bills }))));
});
