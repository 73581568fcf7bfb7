import type { Stack } from './stack.js';

/** A hash of the rows of each table. */
export async function contents(stack: Stack, schemas = ['public', 'meterfold']): Promise<Record<string, string>> {
  const { rows } = await stack.pool.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = any ($1)`,
    [schemas],
  );
  const hashes: Record<string, string> = {};
  for (const { name } of rows) {
    const result = await stack.pool.query<{ hash: string }>(
      `select md5(coalesce(string_agg(line::text, E'\\n' order by line::text), '')) as hash from ${name} line`,
    );
    hashes[name] = result.rows[0]!.hash;
  }
  return hashes;
}

/** The same without `attempts`, where a failed attempt has a row until the next run is published. */
export async function billedContents(stack: Stack): Promise<Record<string, string>> {
  const { 'meterfold.attempts': _, ...rest } = await contents(stack);
  return rest;
}
