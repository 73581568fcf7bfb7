/** Builds dist/: compiles src, brings the migrations along, and bundles the workflows ahead of time. */
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], { stdio: 'inherit' });
cpSync('src/db/migrations', 'dist/db/migrations', { recursive: true });
const { buildBundle } = await import('../dist/workers/bundle.js');
await buildBundle();
