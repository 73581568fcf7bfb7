/** Figures of runs in words. */
import { counted, grouped } from '../../text.js';

/** "1,203 calls, usage 60,150" */
export function callsText({ calls, usage }: { calls: string | number; usage: string }): string {
  return `${counted(calls, 'call')}, usage ${grouped(usage)}`;
}

/** "log positions after 0 up to 1,203" */
export function rangeText({ after, to }: { after: string; to: string }): string {
  return `log positions after ${grouped(after)} up to ${grouped(to)}`;
}
