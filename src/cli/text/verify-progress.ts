/** How far a long check has come: a bar on a terminal; elsewhere a line now and then. Both on standard error. */
import type { VerifyOptions } from '../../audit/verify.js';
import { note } from './output.js';

const remarkEveryMs = 5_000;

export interface CheckProgress {
  update: NonNullable<VerifyOptions['onProgress']>;
  stop: () => void;
}

export async function showProgress(): Promise<CheckProgress> {
  if (!process.stderr.isTTY) {
    let remarkedAt = performance.now();
    return {
      update({ done, total, doing }) {
        if (performance.now() - remarkedAt < remarkEveryMs) return;
        remarkedAt = performance.now();
        note(`verifying ${doing}: ${done} of ${total} checks done`);
      },
      stop() {},
    };
  }
  const { default: progress } = await import('cli-progress');
  const bar = new progress.SingleBar({ format: 'verifying {bar} {percentage}%  {doing}', clearOnComplete: true });
  bar.start(1, 0, { doing: '' });
  return {
    update({ done, total, doing }) {
      bar.setTotal(total);
      bar.update(done, { doing });
    },
    stop: () => bar.stop(),
  };
}
