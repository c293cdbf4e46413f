/*
 * Builds what is shipped: node build.mjs [--out=FOLDER]      (default: dist)
 *
 * The compiler writes one file for each source file; they are the library. The stand-alone program is then put together from its part of them into one file
 * (and one for buckets), because half of what a start took was Node's search for some 250 modules. The packages that it depends on stay packages.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('.', import.meta.url));
const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const PACKAGES = Object.keys(dependencies).map((name) => new RegExp(`^${name}(/|$)`));

/** Answers whether the types were right; all files are written in any case. */
function compile(out) {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', ROOT, '--outDir', out], { stdio: 'inherit' });
  return status === 0;
}

/** Modules that only a bucket wants, with built-in ones that nothing else loads. */
const OF_BUCKETS = /[\\/]storage[\\/](drivers[\\/]s3|probe-s3|probe-raw)/;

/** What `program.js` is made of goes into it; what lay beside it and is in it now would never be loaded again. */
async function putTogether(folder) {
  const bundle = await rolldown({
    input: join(folder, 'program.js'),
    platform: 'node',
    external: [/^node:/, ...PACKAGES],
    preserveEntrySignatures: false,
  });
  const { output } = await bundle.generate({
    format: 'esm',
    chunkFileNames: '[name].js',
    codeSplitting: {
      groups: [{ name: 'program', test: (id) => !OF_BUCKETS.test(id) }],
      includeDependenciesRecursively: false,
    },
  });
  await bundle.close();
  for (const module of output.flatMap(({ moduleIds }) => moduleIds).filter((id) => dirname(id) === folder))
    for (const file of [module, module.replace(/\.js$/, '.d.ts')]) rmSync(file, { force: true });
  for (const { fileName, code } of output) writeFileSync(join(folder, fileName), code);
}

const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'dist') } } });
const out = resolve(values.out);
const sound = compile(out);
await putTogether(join(out, 'server'));
process.exitCode = sound ? 0 : 1;
