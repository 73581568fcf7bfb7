/**
 * libpq's password file (~/.pgpass). Each line is host:port:database:user:password. A field * matches anything, and \
 * escapes a colon or a backslash. The first matching line is used. As in libpq, a file that group or others can access
 * is ignored.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
import { readFile, stat } from 'node:fs/promises';

/** The mode bits that give group or others any access. */
const OTHERS = 0o077;

export interface Login {
  host: string;
  port: number;
  database: string;
  user: string;
}

/** Returns the password, or undefined if the file does not exist, is ignored, or has no line for the login. */
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
