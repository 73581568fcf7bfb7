/**
 * Recognises the errors of a server or pooler that is configured in a way that meterfold does not support. Retrying
 * does not help, so each becomes an error that names the cause and the fix.
 */
import { rowSecurityRefusal } from './row-security.js';
import { PoolModeError, StartupParameterError } from './session.js';

interface ServerError {
  name?: unknown;
  code?: unknown;
  message?: unknown;
  routine?: unknown;
}

/**
 * Error names rather than classes, because the code that checks them is bundled separately from the code that throws
 * them.
 */
const REFUSALS = ['PoolModeError', 'RowSecurityError', 'SessionSettingError', 'StartupParameterError'];
/**
 * SQLSTATEs of a prepared statement that another client has left in the session, and of one that was prepared in
 * another session.
 */
const FOREIGN_STATEMENTS = ['42P05', '26000'];
const PROTOCOL_VIOLATION = '08P01';

/** Converts an error to the refusal that it means; undefined for any other error. */
export function refusalOf(error: ServerError): Error | undefined {
  if (REFUSALS.includes(error.name as string)) return error as Error;
  const message = String(error.message);
  if (FOREIGN_STATEMENTS.includes(error.code as string)) return new PoolModeError({ cause: error });
  // PgBouncer sends its own errors with this code.
  if (error.code === PROTOCOL_VIOLATION) {
    if (/pooling mode/.test(message)) return new PoolModeError({ cause: error });
    const parameter = /unsupported startup parameter(?: in options)?: (.*)/.exec(message)?.[1];
    if (parameter !== undefined) return new StartupParameterError(parameter, { cause: error });
  }
  return rowSecurityRefusal(error);
}
