/** Runs programs of contenders, and creates their Python environments once, in the project's cache. */
import { spawn } from 'node:child_process';
import { mkdir, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { repositoryDir } from '../../test/support/repository.js';
import { say } from '../../test/support/say.js';

export const cacheDir = join(repositoryDir, '.meterfold', 'cache');

/**
 * Returns the Python of a virtual environment with packages from PyPI ("duckdb==2.0.1"), created in `folder` if it does
 * not exist.
 */
export async function pythonWith(folder: string, packages: readonly string[]): Promise<string> {
  const python = join(folder, 'bin', 'python');
  if (await exists(python)) return python;
  say(`installing ${packages.join(', ')}, once`);
  const temporary = `${folder}.new`;
  await mkdir(dirname(folder), { recursive: true });
  await program('python3', ['-m', 'venv', '--clear', temporary]);
  await program(join(temporary, 'bin', 'python'), ['-m', 'pip', 'install', '-q', ...packages]);
  await rename(temporary, folder);
  return python;
}

interface ProgramOptions {
  env?: NodeJS.ProcessEnv;
  onStart?: (pid: number) => void;
}

/** Runs a program to its end and returns its output. */
export function program(command: string, args: string[], { env, onStart }: ProgramOptions = {}): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(env === undefined ? {} : { env }) });
  if (child.pid !== undefined) onStart?.(child.pid);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code}: ${output.slice(-2000)}`));
    });
  });
}

export function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
