/**
 * The workflow bundle. `npm run build` builds it, so that a worker starts without a compiler. Workers that trace use a
 * second bundle, which contains the interceptors of traces.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

export const bundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
export const tracedBundlePath = fileURLToPath(new URL('../workflow-bundle-traced.js', import.meta.url));

export const traceInterceptors = createRequire(import.meta.url).resolve(
  '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors',
);

/** Writes both bundles next to the compiled code. */
export async function buildBundles(): Promise<void> {
  await build(tracedBundlePath, [traceInterceptors]);
  await build(bundlePath, []);
}

async function build(path: string, workflowInterceptorModules: string[]): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.js', import.meta.url)),
    workflowInterceptorModules,
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn: console_, error: console_ },
  });
  await writeFile(path, code);
}

function console_(message: string): void {
  process.stderr.write(`${message}\n`);
}

export function readBundle(): Promise<string> {
  return readFile(bundlePath, 'utf8');
}
