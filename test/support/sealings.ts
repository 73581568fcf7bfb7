/**
 * Seals that are made one after the other beside writers, and a check that the calls which they cover stay the same.
 */
import { expect } from 'vitest';
import type { Pool } from '../../src/postgres/pool.js';
import { dropSealsUpTo, LogSequenceError, type Seal, sealRun } from '../../src/runs/seal.js';
import { type Draws, Steps } from './interleavings.js';

/** Inserts an active run, for which the test seals. */
export async function openRun(pool: Pool): Promise<void> {
  await pool.query(
    `insert into meterfold.runs (temporal_address, temporal_namespace, workflow_id, first_execution_run_id,
                                 execution_run_id, watermark, calls_per_cycle, price_per_unit, currency)
     values ('nowhere', 'none', 'none', 'none', 'none', 0, 5, 0.0004, 'USD')`,
  );
}

export async function positionOf(pool: Pool): Promise<bigint> {
  const { rows } = await pool.query<{ position: string }>(
    `select coalesce(pg_sequence_last_value('public.api_logs_id_seq'), 0) as position`,
  );
  return BigInt(rows[0]!.position);
}

interface Covered {
  after: bigint;
  to: bigint;
  ids: string[];
}

/** Each seal begins at the end of the one before, as if its run had been published. */
export class Sealings {
  readonly #pool: Pool;
  #watermark: bigint;
  readonly #covered: Covered[] = [];
  #under: { steps: Steps; result: Promise<Seal>; crashed: boolean } | undefined;

  constructor(pool: Pool, watermark: bigint) {
    this.#pool = pool;
    this.#watermark = watermark;
  }

  get watermark(): bigint {
    return this.#watermark;
  }

  /**
   * Begins a seal, or runs the next statement of the one in progress. Some seals wait until the last writer has ended.
   */
  async step(draws: Draws): Promise<void> {
    if (this.#under === undefined) await this.start(draws.below(20) === 0 ? 600_000 : 0);
    else await this.next();
  }

  async start(waitMs = 0): Promise<void> {
    const steps = new Steps(this.#pool);
    const { result } = await steps.start((pool) =>
      sealRun(pool, 1n, { watermark: this.#watermark, waitMs, onWait: async () => {} }),
    );
    this.#under = { steps, result, crashed: false };
  }

  /** To be called when the server crashes: a seal in progress may then fail, and is begun again. */
  crashed(): void {
    if (this.#under !== undefined) this.#under.crashed = true;
  }

  /**
   * Runs the remaining statements of the seal in progress; undefined if there is none, or if the crash has ended it.
   */
  async finish(): Promise<Seal | undefined> {
    let seal: Seal | undefined;
    while (this.#under !== undefined) seal = await this.next();
    return seal;
  }

  /** Runs a whole seal. */
  async seal(waitMs = 0): Promise<Seal | undefined> {
    await this.start(waitMs);
    return this.finish();
  }

  /** Seals whose calls have changed. */
  async changes(): Promise<{ sealed: Covered; now: string[] }[]> {
    const [first, last] = [this.#covered[0], this.#covered.at(-1)];
    if (first === undefined || last === undefined) return [];
    const ids = await this.#idsIn({ after: first.after, to: last.to });
    return this.#covered
      .map((sealed) => ({ sealed, now: ids.filter((id) => sealed.after < BigInt(id) && BigInt(id) <= sealed.to) }))
      .filter(({ sealed, now }) => now.join() !== sealed.ids.join());
  }

  /** Runs the next statement; returns the seal if that was the last one. */
  async next(): Promise<Seal | undefined> {
    const under = this.#under!;
    const { steps, result } = under;
    await steps.step();
    if (!steps.over) return undefined;
    this.#under = undefined;
    const excuse = (error: Error) => {
      if (!under.crashed || error instanceof LogSequenceError) throw error;
      return undefined;
    };
    const seal = await result.catch(excuse);
    if (seal === undefined) return undefined;
    expect(seal.sealedEnd).toBeGreaterThanOrEqual(this.#watermark);
    return this.#take(seal).catch(excuse);
  }

  /**
   * Reads the covered calls and commits durably, as a run does. A crash in between does not change which calls are
   * covered.
   */
  async #take(seal: Seal): Promise<Seal> {
    const range = { after: this.#watermark, to: seal.sealedEnd };
    this.#covered.push({ ...range, ids: await this.#idsIn(range) });
    await this.#pool.query(
      `with durable as materialized (select set_config('synchronous_commit', 'on', true))
       update meterfold.runs set sealed_end = $1 from durable`,
      [String(seal.sealedEnd)],
    );
    await dropSealsUpTo(this.#pool, seal.sealedEnd);
    this.#watermark = seal.sealedEnd;
    return seal;
  }

  async #idsIn({ after, to }: Omit<Covered, 'ids'>): Promise<string[]> {
    const { rows } = await this.#pool.query<{ id: string }>(
      'select id from public.api_logs where id > $1 and id <= $2 order by id',
      [String(after), String(to)],
    );
    return rows.map(({ id }) => id);
  }
}
