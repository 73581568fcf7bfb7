/** The log that is billed. */
import { readFile } from 'node:fs/promises';
import { say } from '../../test/support/say.js';
import type { Stack } from '../../test/support/stack.js';

/** Appends calls. For a fresh database they are always the same. */
export async function fillLog(stack: Stack, calls: number, users: number): Promise<void> {
  say(`generating ${calls} calls of ${users} users`);
  const sql = await readFile(new URL('generate.sql', import.meta.url), 'utf8');
  const client = await stack.pool.connect();
  try {
    await client.query('select setseed(0.5)');
    await client.query(sql, [calls, users]);
  } finally {
    client.release();
  }
  await settle(stack);
}

/** Vacuums, analyzes and makes a checkpoint, so that every job starts from the same state. */
export async function settle({ pool }: Stack): Promise<void> {
  await pool.query('vacuum (analyze)');
  await pool.query('checkpoint');
}
