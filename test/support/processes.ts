/**
 * Meterfold's processes, started as a user starts them: bin/meterfold.js from dist, with only a stack's environment.
 * None outlives its test: a stack kills its processes when it closes, and a watchdog kills them if the test's process
 * dies before.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { repositoryDir } from './repository.js';
import type { Stack } from './stack.js';

const ownProgram = join(repositoryDir, 'bin', 'meterfold.js');
/** A worker loads, warms its kernels and connects, which takes a while on a busy machine. */
const WORKER_START_MS = 60_000;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface WorkerProcess {
  readonly pid: number;
  /** The worker's name in runs, results and Temporal. */
  readonly name: string;
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
  /** Sends SIGTERM, and waits until the process has ended. */
  stop(): Promise<Ended>;
  /** The log so far, as JSON lines. */
  logs(): string;
  /** Waits until the log contains a text. */
  logged(text: string): Promise<unknown>;
}

export interface WorkerOptions {
  role?: 'workflow' | 'activity' | 'all';
  env?: Record<string, string>;
  /** The bin/meterfold.js of another build. */
  program?: string;
  /** A program, with its first arguments, that runs the process. */
  by?: readonly string[];
}

/** Starts a worker process; resolves once it polls. */
export async function startWorker(stack: Stack, { role, ...options }: WorkerOptions = {}): Promise<WorkerProcess> {
  const child = launch(stack, ['worker', ...(role === undefined ? [] : ['--role', role])], options);
  const pid = child.process.pid!;
  let over = false;
  void child.ended.then(() => {
    over = true;
  });
  await eventually(
    'the worker polls',
    () => {
      if (over) throw new Error(`the worker ended early:\n${child.output.stderr}`);
      return child.output.stderr.includes('worker polls');
    },
    WORKER_START_MS,
  );
  return {
    pid,
    name: `${hostname()}:${pid}`,
    ended: child.ended,
    kill: (signal) => void child.process.kill(signal),
    stop() {
      child.process.kill('SIGTERM');
      return child.ended;
    },
    logs: () => child.output.stderr,
    logged: (text) => noted(child, text),
  };
}

export interface CommandOptions {
  env?: Record<string, string>;
  /** The bin/meterfold.js of another build. */
  program?: string;
  /** A program, with its first arguments, that runs the process. */
  by?: readonly string[];
}

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Command {
  readonly result: Promise<CommandResult>;
  /** Standard output and standard error so far. */
  readonly output: Readonly<Omit<CommandResult, 'code'>>;
  /** Waits until standard error contains a text. */
  noted(text: string): Promise<unknown>;
}

/** Starts a command of meterfold. */
export function startCommand(stack: Stack, args: readonly string[], options: CommandOptions = {}): Command {
  const child = launch(stack, args, options);
  return { result: resultOf(child), output: child.output, noted: (text) => noted(child, text) };
}

/** Runs a command of meterfold to its end. */
export function meterfold(stack: Stack, args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return startCommand(stack, args, options).result;
}

/** Runs another program to its end, in a stack's environment. */
export async function runProgram(
  stack: Stack,
  command: string,
  args: readonly string[],
  { env = {}, cwd = stack.home }: Pick<CommandOptions, 'env'> & { cwd?: string } = {},
): Promise<CommandResult> {
  return resultOf(launchProgram(stack, command, args, { ...stack.env, ...env }, cwd));
}

async function resultOf({ ended, output }: Launched): Promise<CommandResult> {
  const { code } = await ended;
  return { code, ...output };
}

/** Waits until standard error contains a text. */
function noted({ output }: Launched, text: string): Promise<unknown> {
  return eventually(`the process says ${text}`, () => output.stderr.includes(text));
}

function launch(
  stack: Stack,
  args: readonly string[],
  { env = {}, program = ownProgram, by = [] }: CommandOptions,
): Launched {
  const [command = '', ...rest] = [...by, process.execPath, program, ...args];
  return launchProgram(stack, command, rest, { ...stack.env, ...env }, stack.home);
}

interface Launched {
  process: ChildProcess;
  output: { stdout: string; stderr: string };
  ended: Promise<Ended>;
}

function launchProgram(
  stack: Stack,
  command: string,
  args: readonly string[],
  env: Record<string, string>,
  cwd: string,
): Launched {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const watchdog = watch(child);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  ended.catch(() => {});
  child.once('exit', () => watchdog.kill('SIGKILL'));
  stack.onClose(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return { process: child, output, ended };
}

/**
 * Starts a shell that reads from a pipe whose other end only this process holds. When the pipe closes, it kills the
 * child.
 */
function watch(child: ChildProcess): ChildProcess {
  const script = 'trap "" INT TERM HUP; read -r line; kill -KILL "$1" 2>/dev/null';
  const watchdog = spawn('/bin/sh', ['-c', script, 'test-watchdog', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => {});
  return watchdog;
}
