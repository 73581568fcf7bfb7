/**
 * Cycles against the log. The calls of each user up to the watermark, numbered in their order, determine which cycles
 * must be published and which one must be open. Both are compared with what is stored, in both directions. Where the
 * log was released up to a position, counting continues from each user's open cycle there
 * (meterfold.retained_open_cycles).
 *
 * Users are checked in groups, by the hash of their id. The log is read once per group, and what a sort needs at a time
 * stays close to the memory that it may use.
 */
import { type Client, one } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';
import { sql } from './sql.js';

const GROUP_CALLS = 2_500_000;
const GROUPS_MAX = 32;

interface GroupRow {
  users: string;
  usersUnseen: string;
  cycles: string;
  /** Users by the index of their run, from 1. */
  usersOfRuns: Record<string, number>;
  differences: Difference[];
}

export class CyclesCheck {
  /** The number of groups: 0 or a power of two. */
  readonly count: number;
  readonly #scope: Scope;
  readonly #usersOfRuns: number[];
  #users = 0n;
  #cycles = 0n;

  constructor(scope: Scope) {
    this.#scope = scope;
    const { history, runId } = scope;
    this.#usersOfRuns = history.runs.map(() => 0);
    const published = history.runs.length > 0 || history.retained !== undefined;
    const ended = runId === undefined ? published : history.runIds.includes(runId);
    const rows = history.calls + (history.retained?.users ?? 0);
    const wanted = Math.min(GROUPS_MAX, Math.ceil(rows / GROUP_CALLS));
    this.count = ended ? 2 ** Math.ceil(Math.log2(Math.max(1, wanted))) : 0;
  }

  /** Users and cycles checked so far, including open cycles. */
  get users(): string {
    return String(this.#users);
  }
  get cycles(): string {
    return String(this.#cycles);
  }

  groups(): number[] {
    return Array.from({ length: this.count }, (_, group) => group);
  }

  async check(client: Client, group: number): Promise<Difference[]> {
    const { history, runId, differencesMax } = this.#scope;
    const run = history.runs.find((candidate) => candidate.runId === runId);
    const retained = history.retained !== undefined;
    // The planner expects one in two hundred of a group's rows, and might join users by nested loops.
    if (retained) await client.query('set local enable_nestloop = off');
    const found = one(
      await client.query<GroupRow>(sql('cycles', { one_run: run !== undefined, retained }), [
        this.count - 1,
        group,
        history.watermark,
        history.callsPerCycle,
        history.starts,
        history.runIds,
        history.newestAfter,
        history.keepsSuperseded,
        differencesMax,
        history.keepsOpenCycles,
        history.after,
        history.released.map((released) => released.runId),
        ...(run === undefined ? [] : [run.runId, run.watermark, run.sealedEnd]),
      ]),
    );
    if (retained) await client.query('reset enable_nestloop');
    this.#users += BigInt(found.users) + (run === undefined ? BigInt(found.usersUnseen) : 0n);
    this.#cycles += BigInt(found.cycles);
    for (const [index, users] of Object.entries(found.usersOfRuns)) this.#usersOfRuns[Number(index) - 1]! += users;
    return found.differences;
  }

  /** Compares the users of each run, counted in all groups, with the rows of the runs. */
  async compareUsers(client: Client): Promise<Difference[]> {
    const { history, runId, differencesMax } = this.#scope;
    const { rows } = await client.query<Difference>(
      `select 'runs' as "check", run.run_id as run, null as "user", null as cycle, null as call,
              'users' as "column", counted.users::text as expected, run.users::text as found
         from unnest($1::bigint[], $2::bigint[]) as counted (run_id, users)
         join meterfold.runs run on run.run_id = counted.run_id and run.state = 'published'
        where run.users is distinct from counted.users and ($3::bigint is null or run.run_id = $3)
        order by run.run_id
        limit $4`,
      [history.runIds, this.#usersOfRuns, runId ?? null, differencesMax],
    );
    return rows;
  }
}
