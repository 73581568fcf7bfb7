/** A worker of the embedded stack: `meterfold worker` as a separate process, which is restarted when it dies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DevStackError } from './child.js';

export interface DevWorkerOptions {
  name: string;
  stateDir: string;
  environment: NodeJS.ProcessEnv;
  say: (line: string) => void;
}

const PROGRAM = fileURLToPath(new URL('../../bin/meterfold.js', import.meta.url));
const RESTART_MS = 1000;
const QUOTED_LINES = 5;

/** Resolves once the worker polls. Throws DevStackError with the last lines of its log if it ends before that. */
export async function startDevWorker(options: DevWorkerOptions): Promise<{ stop(): Promise<void> }> {
  let stopping = false;
  let child: ChildProcess;
  const keep = async () => {
    child = await start(options);
    child.once('exit', (code, signal) => {
      if (stopping) return;
      options.say(`${options.name} ended (${signal ?? `exit code ${code}`}); restarting it`);
      setTimeout(() => {
        if (!stopping) keep().catch((error: Error) => options.say(error.message));
      }, RESTART_MS);
    });
  };
  await keep();
  return {
    async stop() {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function start({ name, stateDir, environment }: DevWorkerOptions): Promise<ChildProcess> {
  const log = createWriteStream(join(stateDir, `${name}.log`), { flags: 'a', mode: 0o600 });
  // It runs in its own session, because this process forwards Ctrl-C in order. The end of its standard input signals
  // that this process has ended.
  const child = spawn(process.execPath, [PROGRAM, 'worker', '--stop-with-stdin'], {
    env: environment,
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const lines = createInterface({ input: child.stderr! });
  const last: string[] = [];
  return new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      log.write(`${line}\n`);
      last.push(line);
      if (last.length > QUOTED_LINES) last.shift();
      if (line.includes('"msg":"worker polls"')) resolve(child);
    });
    child.once('error', (cause) =>
      reject(new DevStackError(`${name} could not be started: ${cause.message}`, { cause })),
    );
    child.once('exit', () => reject(new DevStackError(`${name} ended before it was ready:\n${last.join('\n')}`)));
  });
}
