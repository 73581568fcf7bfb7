/** Logs are JSON lines on standard error; standard output is for the result of a command. */
import { pino } from 'pino';

export type Logger = pino.Logger;

export function createLogger(level: string): Logger {
  return pino(
    { level, base: { app: 'meterfold' }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
}
