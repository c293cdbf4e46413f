/*
 * One table of ratios, each measured side by side in this run: npm run bench
 *   --short            only counts of storage calls, no times (what CI runs)
 *   --only=a,b         of: reads tarball publish images manifests search start workers sizes counts
 *   --rounds=N         interleaved rounds, default 5
 *   --dist=FOLDER      an earlier build instead of the sources
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { countRows } from './counts.mjs';
import { generate, partsOf } from './generate.mjs';
import { generateImages } from './generate-images.mjs';
import { generatorName } from './load.mjs';
import { Table } from './measure.mjs';
import { images, MANIFESTS, manyImages } from './oci.mjs';
import * as rows from './rows.mjs';
import {
  fillVerdaccio,
  hasDockerRegistry,
  hasVerdaccio,
  nginxProgram,
  startEntrepot,
  startVerdaccio,
  stopAll,
} from './servers.mjs';

const ROOT = new URL('../..', import.meta.url).pathname;
const SECTIONS = ['reads', 'tarball', 'publish', 'images', 'manifests', 'search', 'start', 'workers', 'sizes', 'counts'];

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: Boolean(process.env.BENCH_SHORT) },
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    dist: { type: 'string' },
  },
});

/** Built beside the tree's own, so that nobody who works on the sources is disturbed. */
function build() {
  const dist = join(ROOT, '.tools/bench/dist');
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', ROOT, '--outDir', dist], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the sources cannot be built:\n${stdout}`);
  return dist;
}

class Bench {
  table = new Table();
  how = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
  has = { nginx: nginxProgram() !== undefined, verdaccio: hasVerdaccio(), docker: hasDockerRegistry() };
  folders = new Map();

  constructor(dist, work) {
    this.dist = dist;
    this.work = work;
  }

  /** A generated registry of so many packages, made when first asked for. */
  async folder(count) {
    let folder = this.folders.get(count);
    if (folder) return folder;
    folder = join(this.work, `registry-${count}`);
    process.stderr.write(`writing ${count} packages …\n`);
    await generate(this.dist, folder, count, { huge: count === 10 });
    this.folders.set(count, folder);
    return folder;
  }

  async withPeers(sections) {
    const folder = await this.folder(10);
    const ours = await startEntrepot(this.dist, folder);
    const peers = await rows.preparePeers({ ours, work: this.work, folder, has: this.has });
    const servers = { ours, ...peers };
    if (sections.has('reads')) await rows.reads(this.table, servers, this.how);
    if (sections.has('tarball')) await rows.tarball(this.table, servers, this.how);
    if (sections.has('publish')) await rows.publishes(this.table, servers, { ...this.how, work: this.work });
    await stopAll();
  }

  /** Verdaccio on the names, descriptions and keywords that our own packages have. */
  verdaccioOf(count) {
    if (!this.has.verdaccio) return undefined;
    const home = join(this.work, `verdaccio-${count}`);
    fillVerdaccio(home, rows.plainDocuments(count));
    return home;
  }

  async withMany(sections) {
    const count = 10_000;
    const folder = await this.folder(count);
    const verdaccioFolder = this.verdaccioOf(count);
    if (sections.has('start'))
      await rows.starts(this.table, { dist: this.dist, folder, verdaccioFolder, count }, { rounds: this.how.rounds });
    if (sections.has('search')) {
      const ours = await startEntrepot(this.dist, folder);
      const verdaccio = verdaccioFolder && (await startVerdaccio(verdaccioFolder));
      await rows.search(this.table, { ours, verdaccio, count }, this.how);
      await stopAll();
    }
  }

  async run(sections) {
    if (['reads', 'tarball', 'publish'].some((one) => sections.has(one))) await this.withPeers(sections);
    if (['start', 'search'].some((one) => sections.has(one))) await this.withMany(sections);
    if (sections.has('images')) {
      const { dist, work, has, how } = this;
      await images(this.table, { dist, work, has, how, folder: join(work, 'images') });
      rows.removeAll(join(work, 'images'));
    }
    if (sections.has('manifests')) {
      const folder = join(this.work, 'manifests');
      process.stderr.write('writing 100,000 manifests …\n');
      await generateImages(this.dist, folder, MANIFESTS);
      await manyImages(this.table, { dist: this.dist, folder, how: this.how });
    }
    if (sections.has('workers')) await rows.workers(this.table, { dist: this.dist, folder: await this.folder(10) }, this.how);
    if (sections.has('sizes')) {
      const all = [];
      for (const count of [10, 10_000, 100_000]) all.push([count, await this.folder(count)]);
      await rows.sizes(this.table, { dist: this.dist, sizes: all }, this.how);
    }
    if (sections.has('counts')) await countRows(this.table, await partsOf(this.dist), ROOT);
  }
}

const sections = new Set(values.short ? ['counts'] : (values.only?.split(',') ?? SECTIONS));
const unknown = [...sections].filter((one) => !SECTIONS.includes(one));
if (unknown.length > 0) throw new Error(`no such section: ${unknown.join(', ')}`);

mkdirSync(join(ROOT, '.tools/bench'), { recursive: true });
const work = mkdtempSync(join(tmpdir(), 'entrepot-bench-'));
const bench = new Bench(values.dist ?? build(), work);
let stopped = false;
const finish = async () => {
  if (stopped) return;
  stopped = true;
  await stopAll();
  rows.removeAll(work);
};
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void finish().then(() => process.exit(1)));
try {
  const began = Date.now();
  await bench.run(sections);
  process.stdout.write(
    `\nNode ${process.version}, ${cpus().length} CPUs, load from ${generatorName()}, ${((Date.now() - began) / 60_000).toFixed(1)} minutes\n\n`,
  );
  bench.table.print();
} finally {
  await finish();
}
if (values.short && bench.table.rows.some((row) => row.includes('MISSED'))) process.exitCode = 1;
