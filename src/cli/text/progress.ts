/**
 * The progress of a long command, on standard error: a bar on a terminal, and elsewhere one line every five seconds.
 */
import { note } from './output.js';

const LINE_EVERY_MS = 5_000;

export interface Progress {
  /** `text` says what was done, for example "123 of 1,000 calls sent". */
  update(step: { done: number; total: number; text: string }): void;
  stop(): void;
}

export async function showProgress(): Promise<Progress> {
  return process.stderr.isTTY ? createBar() : createLines();
}

async function createBar(): Promise<Progress> {
  const { default: progress } = await import('cli-progress');
  const bar = new progress.SingleBar({ format: '{bar} {percentage}%  {text}', clearOnComplete: true });
  bar.start(1, 0, { text: '' });
  return {
    update({ done, total, text }) {
      bar.setTotal(Math.max(1, total));
      bar.update(done, { text });
    },
    stop: () => bar.stop(),
  };
}

/** Lines on a terminal too, for work whose total is unknown. */
export function createLines(): Progress {
  let writtenAt = performance.now();
  return {
    update({ text }) {
      if (performance.now() - writtenAt < LINE_EVERY_MS) return;
      writtenAt = performance.now();
      note(text);
    },
    stop() {},
  };
}
