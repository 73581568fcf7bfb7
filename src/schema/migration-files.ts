/**
 * The migrations that this build knows: the numbered SQL files in migrations/, and what each declares of older builds.
 *
 * From 0007 on the first line of a file is its declaration, in SQL's comment:
 *
 *   -- works with: 0006
 *
 * It names the oldest build that works once the migration is applied, by the newest migration that this build knows. A worker of that
 * build may still bill then: during a roll-out, or after `helm rollback`. A migration that no older build can bear declares its own number.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';

export interface Migration {
  number: number;
  /** File name without its ending: "0002-runs". */
  name: string;
  sql: string;
  /** SHA-256 of the SQL, in hexadecimal. */
  checksum: string;
  /** The declaration; undefined up to 0006. */
  worksWith: number | undefined;
}

/** Builds that end here know no declarations, and read meterfold.migrations only. */
export const LAST_UNDECLARED = 6;

const directory = new URL('./migrations/', import.meta.url);
const packageFile = new URL('../../package.json', import.meta.url);
const DECLARATION = /^-- works with: (\d{4})\n/;

/** In the order of their numbers. Throws for a file without a valid declaration. */
export async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => /^\d{4}-[a-z0-9-]+\.sql$/.test(file)).sort();
  return Promise.all(
    files.map(async (file) => {
      // A checkout may have turned line ends; that is no change of the migration.
      const sql = (await readFile(new URL(file, directory), 'utf8')).replaceAll('\r\n', '\n');
      const name = file.replace(/\.sql$/, '');
      return {
        number: Number(file.slice(0, 4)),
        name,
        sql,
        checksum: createHash('sha256').update(sql).digest('hex'),
        worksWith: declarationOf(name, sql),
      };
    }),
  );
}

/** The migration that a migration's SQL declares to work with; undefined up to 0006. Throws where the declaration is missing or wrong. */
export function declarationOf(name: string, sql: string): number | undefined {
  const number = Number(name.slice(0, 4));
  if (number <= LAST_UNDECLARED) return undefined;
  const declared = Number(DECLARATION.exec(sql)?.[1] ?? 0);
  if (declared >= 1 && declared <= number) return declared;
  throw new Error(
    `Migration ${name} does not declare the oldest build that works with it: begin the file with "-- works with: NNNN", ` +
      `where NNNN is the newest migration which that build knows, from 0001 to ${name.slice(0, 4)}.`,
  );
}

/** The version of this build. */
export async function release(): Promise<string> {
  return (JSON.parse(await readFile(packageFile, 'utf8')) as { version: string }).version;
}
