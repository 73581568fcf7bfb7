/** What `meterfold doctor` finds, one check a line. */
import type { Context } from '../cli/context.js';
import { explain, placesOf } from '../cli/text/problems.js';

/** What was found; `null` means that it could not be looked at, because of an earlier fault. */
export interface Check {
  name: string;
  ok: boolean | null;
  /** Billing works as it is, but somebody should know. */
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
export const unseen = (name: string): Check => ({ name, ok: null, found: 'not checked' });

/** Runs the checks of one subject; an error of theirs is a fault found, not the end of the doctor. */
export async function subject(name: string, context: Context, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    return [bad(name, explain(error, placesOf(process.env, context.config.temporal)))];
  }
}
