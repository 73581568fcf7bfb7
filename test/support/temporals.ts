/** Temporal servers for one test, in addition to the shared one. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { inject } from 'vitest';
import { startTemporal, type TemporalServer } from '../../src/embedded/temporal.js';

export interface OwnTemporal {
  readonly address: string;
  /** Ends it immediately; its data is lost. */
  kill(): Promise<void>;
  /** Kills it and starts an empty server at the same address. */
  replace(): Promise<void>;
}

export async function startOwnTemporal(): Promise<OwnTemporal> {
  const { stateDir, temporalCli } = inject('servers');
  const options = {
    stateDir: join(stateDir, `temporal-${randomBytes(6).toString('hex')}`),
    uiPort: 'none',
    cliPath: temporalCli,
    fresh: true,
  } as const;
  let server: TemporalServer = await startTemporal(options);
  const { address } = server;
  const kill = async () => {
    process.kill(server.pid, 'SIGKILL');
    await server.stop();
  };
  return {
    address,
    kill,
    async replace() {
      await kill();
      server = await startTemporal({ ...options, port: Number(address.split(':')[1]) });
    },
  };
}
