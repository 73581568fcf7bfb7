/**
 * The migrations that this build knows: the numbered SQL files in migrations/.
 *
 * The first files are the baseline, the schema of the first release. It is a set of files only because one file would
 * be too long. An applied migration is never edited (a unit test pins the checksums of the baseline): a change of the
 * schema is a new file.
 *
 * The first line of each later file declares the oldest build that works once the migration is applied, by the newest
 * migration that this build knows:
 *
 *   -- works with: 0005
 *
 * Workers of that build may still bill then: during a roll-out, or after `helm rollback`. A migration with which no
 * older build works declares its own number.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';

export interface Migration {
  number: number;
  /** File name without its extension: "0002-runs". */
  name: string;
  sql: string;
  /** SHA-256 of the SQL, in hexadecimal. */
  checksum: string;
  /** Number of the newest migration that the oldest working build knows; undefined in the baseline. */
  worksWith: number | undefined;
}

/** The last migration of the baseline. Every build knows the baseline, so its files declare nothing. */
export const BASELINE_END = 5;

const directory = new URL('./migrations/', import.meta.url);
const packageFile = new URL('../../package.json', import.meta.url);
const DECLARATION = /^-- works with: (\d{4})\n/;

/** All migrations by number. Throws if a file lacks a valid declaration. */
export async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => /^\d{4}-[a-z0-9-]+\.sql$/.test(file)).sort();
  return Promise.all(
    files.map(async (file) => {
      // A checkout may have converted line ends, which does not change the migration.
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

/** The declaration of a migration; undefined in the baseline. Throws if it is missing or invalid. */
export function declarationOf(name: string, sql: string): number | undefined {
  const number = Number(name.slice(0, 4));
  if (number <= BASELINE_END) return undefined;
  const declared = Number(DECLARATION.exec(sql)?.[1] ?? 0);
  if (declared >= BASELINE_END && declared <= number) return declared;
  throw new Error(
    `Migration ${name} does not declare the oldest build that works with it: begin the file with "-- works with: NNNN", ` +
      `where NNNN is the newest migration that this build knows, from ${padded(BASELINE_END)} to ${padded(number)}.`,
  );
}

/** The number as it begins a file name: "0005". */
export const padded = (number: number) => String(number).padStart(4, '0');

/** The version of this build. */
export async function release(): Promise<string> {
  return (JSON.parse(await readFile(packageFile, 'utf8')) as { version: string }).version;
}
