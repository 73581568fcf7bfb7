/** Resets a database to an earlier state under the same name, as the restore of a backup does. */
import pg from 'pg';
import { eventually } from './eventually.js';
import type { Stack } from './stack.js';

export interface Backup {
  /** Resets the database. All its sessions are ended, both by the backup and by the restore. */
  restore(): Promise<void>;
}

/** Copies the current state of a stack's database. */
export async function backUp(stack: Stack): Promise<Backup> {
  const own = stack.databaseName;
  const copy = `${own}_copy`;
  await elsewhere(stack, async (client) => {
    await throwOut(client, own);
    await client.query(`create database ${copy} template ${own}`);
    await client.query(`alter database ${own} with allow_connections true`);
  });
  const drop = () => elsewhere(stack, (client) => client.query(`drop database if exists ${copy} with (force)`));
  stack.onClose(async () => void (await drop()));
  return {
    restore: () =>
      elsewhere(stack, async (client) => {
        await throwOut(client, own);
        await client.query(`drop database ${own}`);
        await client.query(`alter database ${copy} rename to ${own}`);
      }),
  };
}

async function throwOut(client: pg.Client, database: string): Promise<void> {
  await client.query(`alter database ${database} with allow_connections false`);
  await eventually('nobody is connected', async () => {
    const { rowCount } = await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
      [database],
    );
    return rowCount === 0;
  });
}

async function elsewhere<T>(stack: Stack, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(stack.databaseUrl);
  url.pathname = '/postgres';
  const client = new pg.Client({ connectionString: url.toString() });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
