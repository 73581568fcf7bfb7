/** Writers that blocked a run in words: the session, since when it writes, and how to end a prepared transaction. */
import type { Writer } from '../../contract/writer.js';
import { moment, printable } from '../../text.js';

/** "application importer, pid 4711, role app, since 2026-10-01 12:00:00 UTC" */
export function writerText({ pid, application, user, startedAt, gid, hidden }: Writer): string {
  const since = startedAt === null ? '' : `since ${moment(new Date(startedAt))}`;
  const details = gid
    ? [
        `prepared transaction ${printable(gid)}`,
        since,
        `end it with commit prepared ${sqlText(gid)} or rollback prepared ${sqlText(gid)}`,
      ]
    : [
        application ? `application ${printable(application)}` : '',
        pid === null ? 'prepared transaction' : `pid ${pid}`,
        user === null ? '' : `role ${printable(user)}`,
        since || (hidden ?? ''),
      ];
  return details.filter((detail) => detail !== '').join(', ');
}

function sqlText(text: string): string {
  return `'${printable(text).replaceAll("'", "''")}'`;
}
