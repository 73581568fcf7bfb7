/** The settings that are tried for contenders, because the best ones for a job are not known in advance. */

import { eventually } from '../../test/support/eventually.js';
import type { Stack } from '../../test/support/stack.js';

/** A configuration of a contender. */
export interface Setting {
  /** The name in the report. */
  name: string;
  /** Settings of the server, by name. All others have PostgreSQL's defaults. */
  server: Readonly<Record<string, string>>;
  /** Settings of the contender itself. */
  own?: Readonly<Record<string, number>>;
}

const NO_JIT = { jit: 'off' };
const ONE_PROCESS = { ...NO_JIT, max_parallel_workers_per_gather: '0' };

function memory(size: string, multiplier: string, rest: Readonly<Record<string, string>>): Setting['server'] {
  return { work_mem: size, hash_mem_multiplier: multiplier, maintenance_work_mem: size, ...rest };
}

/** For jobs that sort, hash and aggregate in the server. */
export const SERVER_SETTINGS: readonly Setting[] = [
  { name: "PostgreSQL's defaults", server: {} },
  { name: 'jit off', server: NO_JIT },
  { name: 'jit off, no parallel workers', server: ONE_PROCESS },
  { name: 'work_mem 32MB, jit off', server: { ...memory('32MB', '2', NO_JIT), maintenance_work_mem: '256MB' } },
  { name: 'work_mem 128MB, jit off', server: memory('128MB', '2', NO_JIT) },
  { name: 'work_mem 128MB, jit off, no parallel workers', server: memory('128MB', '2', ONE_PROCESS) },
  { name: 'work_mem 512MB, hash_mem_multiplier 4, jit off', server: memory('512MB', '4', NO_JIT) },
  { name: 'work_mem 2GB, jit off, no parallel workers', server: memory('2GB', '1', ONE_PROCESS) },
];

/** For jobs that only read and write in the server. */
export const COPY_SETTINGS: readonly Setting[] = [
  { name: "PostgreSQL's defaults", server: {} },
  { name: 'work_mem 128MB, jit off', server: memory('128MB', '2', NO_JIT) },
];

/** Combines each server setting with each setting of the contender. */
export function crossed(
  settings: readonly Setting[],
  owns: readonly { name: string; own: NonNullable<Setting['own']> }[],
): Setting[] {
  return settings.flatMap(({ name, server }) =>
    owns.map((each) => ({ name: `${name}; ${each.name}`, server, own: each.own })),
  );
}

/** The names of the server's settings that they set. */
export const SETTING_NAMES = [...new Set(SERVER_SETTINGS.flatMap(({ server }) => Object.keys(server)))];

/** Applies a setting to the server, including sessions that are already open. */
export async function applySetting({ pool }: Stack, { server }: Pick<Setting, 'server'>): Promise<void> {
  for (const name of SETTING_NAMES) {
    const value = server[name];
    await pool.query(value === undefined ? `alter system reset ${name}` : `alter system set ${name} = '${value}'`);
  }
  await pool.query('select pg_reload_conf()');
  const wanted = SETTING_NAMES.map((name) => server[name] ?? null);
  await eventually('the server has read its settings', async () => {
    const { rows } = await pool.query<{ applied: boolean }>(
      `select bool_and(case when value is null then source = 'default' else current_setting(setting.name) = value end) as applied
         from unnest($1::text[], $2::text[]) as wanted (name, value)
         join pg_settings setting using (name)`,
      [SETTING_NAMES, wanted],
    );
    return rows[0]!.applied;
  });
}
