/** The result of one check. */
import { addressesOf, explain } from '../explain.js';
import type { Servers } from '../servers.js';

export interface Check {
  name: string;
  /** Null: not checked, because of an earlier fault. */
  ok: boolean | null;
  /** Billing works, but an operator should know. */
  warning?: true;
  found: string;
  fix?: string;
}

export const good = (name: string, found: string): Check => ({ name, ok: true, found });
export const bad = (name: string, found: string, fix?: string): Check => ({
  name,
  ok: false,
  found,
  ...(fix === undefined ? {} : { fix }),
});
export const warn = (name: string, found: string, fix: string): Check => ({
  name,
  ok: true,
  warning: true,
  found,
  fix,
});
export const unchecked = (name: string): Check => ({ name, ok: null, found: 'not checked' });

export const isFault = ({ ok }: Check): boolean => ok === false;

/** Runs the checks of one subject. An error is a fault of the subject: the other checks still run. */
export async function subject(name: string, { config }: Servers, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    return [bad(name, explain(error, addressesOf(process.env, config.temporal)))];
  }
}
