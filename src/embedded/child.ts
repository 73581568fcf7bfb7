/**
 * Runs a service of the embedded stack as a child process: starts it, waits until it is ready, stops it, and never
 * leaves it running after this process has ended.
 *
 * - The service runs in its own session. Ctrl-C in a terminal reaches every process of the foreground group, and it must
 *   not stop the database while workers are still finishing their work. This process stops the services in order.
 * - A watchdog ends the service when this process has ended, even by SIGKILL. It is a shell that reads from a pipe whose
 *   other end only this process holds, and sends the service the signals of an orderly stop at end of file. The service
 *   is not a child of the watchdog, so `pid` is the service's own.
 * - Neither keeps this process alive: when it has nothing more to do, it ends, and the watchdog then ends the services.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

export const runFile = promisify(execFile);

/**
 * The stack could not be started or stopped. The message gives the reason and the fix; `log` is the service's output.
 */
export class DevStackError extends Error {
  override name = 'DevStackError';
  readonly log: string;

  constructor(message: string, options: { cause?: unknown; log?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.log = options.log ?? '';
  }
}

export interface ServiceUser {
  readonly uid: number;
  readonly gid: number;
}

export interface ServiceOptions {
  /** The name used in messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** The user it runs as; this process's user if undefined. */
  readonly user: ServiceUser | undefined;
  /** Standard output and standard error are appended here. */
  readonly logPath: string;
  /** The file to which its process id is written. */
  readonly pidPath?: string;
  /** The signals of an orderly stop, in order. Each is followed by a wait of up to `graceMs`; SIGKILL comes last. */
  readonly stopSignals: readonly NodeJS.Signals[];
  readonly readyMs: number;
  /** Polled until it returns true. */
  isReady(): Promise<boolean>;
}

export interface Service {
  readonly pid: number;
  /** Stops the service and waits until it has ended. Returns immediately if it has already ended. */
  stop(signals?: readonly NodeJS.Signals[]): Promise<void>;
}

const graceMs = 30_000;
const pollMs = 20;
const logBytesMax = 8 * 1024 * 1024;
const logQuoteLines = 8;
const logQuoteBytes = 8 * 1024;

/** Throws DevStackError with the last lines of the service's log if it ends, or is not ready within `readyMs`. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const log = await openLog(options.logPath);
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    windowsHide: true,
    ...options.user,
  });
  child.unref();
  const watchdog = child.pid === undefined ? undefined : watch(child, options.stopSignals);
  let ending: string | undefined;
  const exited = new Promise<void>((settle) => {
    child.once('exit', (code, signal) => {
      ending = signal === null ? `exit code ${code}` : `signal ${signal}`;
      // The watchdog is ended with the service, because the process id may soon be reused.
      if (!watchdog?.kill('SIGKILL')) settle();
      else watchdog.once('exit', () => settle());
    });
  });
  await once(child, 'spawn')
    .catch((cause: Error) => {
      throw new DevStackError(`${options.name} could not be started: ${cause.message}`, { cause });
    })
    .finally(log.close);
  if (options.pidPath !== undefined) await writeFile(options.pidPath, String(child.pid));

  const service = { pid: child.pid!, stop: (signals = options.stopSignals) => stopChild(child, exited, signals) };
  const deadline = Date.now() + options.readyMs;
  while (ending === undefined && Date.now() < deadline) {
    const ready = await options.isReady().catch(() => false);
    if (ready && ending === undefined) return service;
    await delay(pollMs);
  }
  const what = ending === undefined ? `was not ready after ${options.readyMs / 1000} s` : `did not start (${ending})`;
  await service.stop(['SIGKILL']);
  const written = await log.readEnd();
  throw new DevStackError(`${options.name} ${what}. ${quoteLog(options.logPath, written)}`, { log: written });
}

const watchdogScript = `
read -r line
pid=$1; shift
for signal in "$@" KILL; do
  kill -s "$signal" "$pid" 2>/dev/null || exit 0
    checks=0
  while [ "$checks" -lt ${graceMs / 100} ]; do
    sleep 0.1 2>/dev/null || sleep 1
    kill -0 "$pid" 2>/dev/null || exit 0
        checks=$((checks + 1))
  done
done`;

function watch(child: ChildProcess, signals: readonly NodeJS.Signals[]): ChildProcess | undefined {
  if (process.platform === 'win32') {
    // Windows has no shell and no signals. This does not help if the process is killed.
    process.once('exit', () => child.kill());
    return undefined;
  }
  const names = signals.map((signal) => signal.slice('SIG'.length));
  const args = ['-c', watchdogScript, 'meterfold-watchdog', String(child.pid), ...names];
  const watchdog = spawn('/bin/sh', args, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  watchdog.on('error', () => {}); // Without a shell there is no watchdog.
  watchdog.unref();
  (watchdog.stdin as Socket | null)?.unref();
  return watchdog;
}

async function stopChild(
  child: ChildProcess,
  exited: Promise<void>,
  signals: readonly NodeJS.Signals[],
): Promise<void> {
  // Keeps this process alive until the service has ended.
  child.ref();
  for (const signal of signals) {
    child.kill(signal);
    const timer = new AbortController();
    const over = await Promise.race([
      exited.then(() => true),
      delay(graceMs, false, { signal: timer.signal }).catch(() => false),
    ]);
    timer.abort();
    if (over) return;
  }
  child.kill('SIGKILL');
  await exited;
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Returns whether process `pid` runs and its command line contains `marker`. Process ids are reused, so a recorded one
 * may belong to another program.
 */
export async function isRunning(pid: number, marker: string): Promise<boolean> {
  try {
    const command =
      process.platform === 'linux'
        ? (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
        : (await runFile('ps', ['-ww', '-o', 'command=', '-p', String(pid)])).stdout;
    return command.includes(marker);
  } catch {
    return false;
  }
}

/** Returns whether the process ends within `ms`: if its starter was killed, its watchdog may still be stopping it. */
export async function endsWithin(ms: number, pid: number, marker: string): Promise<boolean> {
  const deadline = Date.now() + ms;
  while (await isRunning(pid, marker)) {
    if (Date.now() > deadline) return false;
    await delay(pollMs);
  }
  return true;
}

/** Creates the stack's state directory if it does not exist, and returns its absolute path. */
export async function openStateDir(stateDir: string): Promise<string> {
  const path = resolve(stateDir);
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
    return path;
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new DevStackError(`the state directory ${path} can't be used (${reason}): use one that you may write to`, {
      cause,
    });
  }
}

/**
 * Opens the log for appending. A log above `logBytesMax` is renamed to .old first. `readEnd` returns the end of what
 * was written since.
 */
async function openLog(path: string) {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  const start = size > logBytesMax ? 0 : size;
  if (size > logBytesMax) await rename(path, `${path}.old`);
  const file = await open(path, 'a').catch((cause: Error) => {
    throw new DevStackError(`can't write ${path}: ${cause.message}`, { cause });
  });
  const readEnd = async () => {
    const reader = await open(path, 'r');
    try {
      const from = Math.max(start, (await reader.stat()).size - logQuoteBytes);
      const { bytesRead, buffer } = await reader.read({ buffer: Buffer.alloc(logQuoteBytes), position: from });
      return buffer.toString('utf8', 0, bytesRead).trim();
    } finally {
      await reader.close();
    }
  };
  return { fd: file.fd, close: () => file.close(), readEnd };
}

function quoteLog(path: string, written: string): string {
  if (written === '') return `It wrote nothing to ${path}.`;
  const lines = written.split('\n').slice(-logQuoteLines);
  return `The end of ${path}:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
