/**
 * A continuous inflow of calls, by transactions of random length. Each batch has its own id, so that the log can be
 * compared with the results that its writers received: a batch whose commit was confirmed must be in the log, and one
 * that was rolled back must not.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Random } from '../support/random.js';
import type { ChaosStack } from './stack.js';

const CALLS_MAX = 40;
const USERS = 300;
/** Most transactions are short. Some exceed the time for which a run waits for writers. */
const OPEN_MS_MAX = 150;
const LONG_OPEN_MS_MAX = 2000;
const LONG = 0.1;
const PAUSE_MS_MAX = 600;
const ROLLED_BACK = 0.1;
const AGAIN_MS = 200;
const FAILURES_MAX = 300;

type Fate = 'committed' | 'rolled back' | 'unknown';

export class Inflow {
  readonly #stack: ChaosStack;
  readonly #fates = new Map<string, Fate>();
  readonly #writers: Promise<void>[];
  #stopping = false;
  /** The end of the writers' pause; undefined if they are active. */
  #rest: Promise<void> | undefined;
  readonly #underWay = new Set<Promise<void>>();

  constructor(stack: ChaosStack, random: Random, writers: number) {
    this.#stack = stack;
    this.#writers = Array.from({ length: writers }, (_, number) =>
      this.#write(number, random.fork(`writer ${number}`)),
    );
    // stop() reports the error.
    for (const writer of this.#writers) writer.catch(() => {});
    stack.onClose(() => this.stop());
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#writers);
  }

  /** Runs `work` while no writer has a batch in progress. */
  async resting<T>(work: () => Promise<T>): Promise<T> {
    let resume = () => {};
    this.#rest = new Promise((resolve) => {
      resume = resolve;
    });
    try {
      await Promise.allSettled(this.#underWay);
      return await work();
    } finally {
      this.#rest = undefined;
      resume();
    }
  }

  /** Inserts one batch immediately, large enough that every kind of COPY has rows. */
  async burst(name: string, calls: number): Promise<void> {
    const batch = `burst ${name}`;
    this.#fates.set(batch, 'unknown');
    await this.#stack.pool.query(insertBatch(batch, calls));
    this.#fates.set(batch, 'committed');
  }

  /**
   * Returns the batches whose state in the log contradicts the result that their writer received. Requires that
   * PostgreSQL is running and the inflow is stopped.
   */
  async misremembered(): Promise<string[]> {
    const rows = await this.#stack.ask<{ batch: string }>(`select distinct call_id as batch from public.api_logs`);
    const found = new Set(rows.map(({ batch }) => batch));
    const wrong = [...this.#fates].filter(
      ([batch, fate]) => fate !== 'unknown' && (fate === 'committed') !== found.has(batch),
    );
    return wrong.map(([batch, fate]) => `${batch}: ${fate}, and ${found.has(batch) ? '' : 'not '}in the log`);
  }

  async #write(writer: number, random: Random): Promise<void> {
    let client: pg.Client | undefined;
    let failures = 0;
    for (let number = 0; !this.#stopping; number++) {
      const batch = `${writer}-${number}`;
      try {
        await this.#rest;
        client ??= await this.#connect();
        const written = this.#writeBatch(client, batch, random);
        this.#underWay.add(written);
        await written.finally(() => this.#underWay.delete(written));
        failures = 0;
        await delay(random.whole(0, PAUSE_MS_MAX));
      } catch (error) {
        if (++failures === FAILURES_MAX) throw error;
        await client?.end().catch(() => {});
        client = undefined;
        await delay(AGAIN_MS);
      }
    }
    await client?.end().catch(() => {});
  }

  async #writeBatch(client: pg.Client, batch: string, random: Random): Promise<void> {
    const calls = random.whole(1, CALLS_MAX);
    const openMs = random.whole(0, random.chance(LONG) ? LONG_OPEN_MS_MAX : OPEN_MS_MAX);
    const end = random.chance(ROLLED_BACK) ? 'rollback' : 'commit';
    // Until COMMIT is sent, any failure rolls it back.
    this.#fates.set(batch, 'rolled back');
    await client.query('begin');
    await client.query(insertBatch(batch, calls));
    await delay(openMs);
    if (end === 'commit') this.#fates.set(batch, 'unknown');
    await client.query(end);
    if (end === 'commit') this.#fates.set(batch, 'committed');
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#stack.databaseUrl,
      application_name: 'writer',
      connectionTimeoutMillis: 5000,
    });
    client.on('error', () => {});
    await client.connect();
    return client;
  }
}

/** Users and usages are derived from the batch's name, without random draws. */
function insertBatch(batch: string, calls: number): pg.QueryConfig {
  return {
    text: `insert into public.api_logs (user_id, call_id, usage, called_at)
           select 'user-' || (hashtextextended($1 || n, 1) & 1023) % ${USERS}, $1, (hashtextextended($1 || n, 2) & 1023), now()
             from generate_series(1, $2::int) as n`,
    values: [batch, calls],
  };
}
