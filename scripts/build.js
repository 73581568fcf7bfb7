/** Builds dist/: compiles src and the kernel, copies the migrations, and bundles the workflows. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';

// npm may run this again while workers run from dist.
if (!isUpToDate()) {
  rmSync('dist', { recursive: true, force: true });
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], { stdio: 'inherit' });
  cpSync('src/schema/migrations', 'dist/schema/migrations', { recursive: true });
  compileKernel();
  const { buildBundles } = await import('../dist/workers/bundle.js');
  await buildBundles();
}

// Without the link, the first `npx meterfold` would pack the checkout and install it into npm's cache, which takes ten
// seconds.
if (existsSync('node_modules/.bin') && process.platform !== 'win32') {
  rmSync('node_modules/.bin/meterfold', { force: true });
  symlinkSync('../../bin/meterfold.js', 'node_modules/.bin/meterfold');
}

/** Compiles AssemblyScript to WebAssembly without a runtime and without assertions. */
function compileKernel() {
  const options = ['-O3', '--runtime', 'stub', '--noAssert', '--enable', 'simd', '--use', 'abort='];
  const args = ['src/engine/wasm/index.ts', '--outFile', 'dist/engine/kernel.wasm', ...options];
  execFileSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', ...args], { stdio: 'inherit' });
}

/**
 * The bundle is written last, so if it exists, the build is complete. A removed file changes the time of its folder.
 */
function isUpToDate() {
  const bundle = 'dist/workflow-bundle.js';
  if (!existsSync(bundle)) return false;
  const folders = ['src', 'scripts'].flatMap((folder) => [
    folder,
    ...readdirSync(folder, { recursive: true }).map((name) => `${folder}/${name}`),
  ]);
  const sources = [...folders, 'package.json', 'package-lock.json', 'tsconfig.json'];
  return sources.every((path) => statSync(path).mtimeMs < statSync(bundle).mtimeMs);
}
