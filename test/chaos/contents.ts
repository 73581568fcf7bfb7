import type { ChaosStack } from './stack.js';

/** A hash of the rows of each table that runs write to. */
export async function contentsOf(stack: ChaosStack): Promise<Record<string, string>> {
  const tables = await stack.ask<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'meterfold'`,
  );
  const hashes: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await stack.ask<{ hash: string }>(
      `select md5(coalesce(string_agg(line::text, E'\\n' order by line::text), '')) as hash from ${name} line`,
    );
    hashes[name] = row!.hash;
  }
  return hashes;
}
