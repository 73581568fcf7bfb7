/** The workflow bundle: built ahead of time by `npm run build`, so that a worker starts without a compiler. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const BUNDLE = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));

export const bundlePath = BUNDLE;

/** Bundles the workflows beside the compiled code. */
export async function buildBundle(): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.js', import.meta.url)),
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn: console_, error: console_ },
  });
  await writeFile(BUNDLE, code);
}

function console_(message: string): void {
  process.stderr.write(`${message}\n`);
}

export function readBundle(): Promise<string> {
  return readFile(BUNDLE, 'utf8');
}
