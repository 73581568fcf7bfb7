/**
 * libpq's password file (~/.pgpass): host:port:database:user:password a line, * for any, \ before a colon or a backslash. The first line that
 * fits counts. A file that others may read is ignored, as libpq ignores it.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
import { readFile, stat } from 'node:fs/promises';

/** Bits of a file's mode by which group and others may do anything with it. */
const OTHERS = 0o077;

export interface Login {
  host: string;
  port: number;
  database: string;
  user: string;
}

/** The password, or undefined if there is no such file, or no line for that login. */
export async function passwordFromFile(path: string, login: Login): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0) return undefined;
    return passwordIn(await readFile(path, 'utf8'), login);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function passwordIn(text: string, { host, port, database, user }: Login): string | undefined {
  const wanted = [host.startsWith('/') ? [host, 'localhost'] : [host], [String(port)], [database], [user]];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = fieldsOf(line);
    if (fields.length < 5) continue;
    if (wanted.every((values, index) => fields[index]!.any || values.includes(fields[index]!.text)))
      return fields[4]!.text;
  }
  return undefined;
}

function fieldsOf(line: string): { text: string; any: boolean }[] {
  const fields = line.match(/(?:^|(?<=:))(?:[^:\\]|\\.)*(?:$|(?=:))/g) ?? [];
  return fields.map((field) => ({ text: field.replace(/\\(.)/g, '$1'), any: field === '*' }));
}
