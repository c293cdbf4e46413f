import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const newest = (folder: string): number =>
  Math.max(...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => statSync(join(folder, name)).mtimeMs));

/** Tests of the command line and of the package run what is built: it is built anew when a source file is younger. */
export default function buildBefore(): void {
  const [dist, fresh, old] = [join(ROOT, 'dist'), join(ROOT, `dist-${process.pid}`), join(ROOT, `dist-old-${process.pid}`)];
  const program = join(dist, 'server', 'cli.js');
  if (existsSync(program) && statSync(program).mtimeMs > newest(join(ROOT, 'ts'))) return;
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', ROOT, '--outDir', fresh], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (stdout !== '') console.error(stdout);
  // Type errors are the business of `npm run types`: what could be built is tested.
  if (!existsSync(join(fresh, 'server', 'cli.js'))) throw new Error('the sources cannot be built');
  // Another run may be using the old files: they go in one step.
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
}
