import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { publishBody, tarball } from '../server/publish.js';
import { lacksVersitygw } from '../servers/binaries.js';
import { type RunningS3, startVersitygw } from '../servers/versitygw.js';
import { importsOf } from './imports.js';
import { installed, lacks, ROOT, SETUP_MS } from './installed.js';
import { type Runner, run } from './program.js';
import { project } from './project.js';

/** The AWS client says that it will not support Node 20 for ever. */
const QUIET = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };
const RUNNERS: readonly Runner[] = ['node', 'bun', 'deno'];
const lacksRunner = (runner: Runner): boolean => runner !== 'node' && lacks(runner);

let file = '';
beforeAll(() => {
  file = join(project().compile(['worker-host'], { lib: ['ES2022', 'DOM', 'DOM.Iterable'] }), 'worker-host.js');
}, SETUP_MS);

async function works(runner: Runner, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const name = `worker-on-${runner}`;
  const ended = await run(runner, file, { ...env, NAME: name, DOCUMENT: publishBody(name, '1.0.0') });
  const answers = [201, 200, tarball(name, '1.0.0').length, 206, 4, 403];
  expect([ended.code, ended.err, ended.out.trim()]).toEqual([0, '', JSON.stringify(answers)]);
}

describe('export default { fetch }, in memory', () => {
  it.each(RUNNERS.filter((runner) => !lacksRunner(runner)))('%s: publishes and serves, and the process ends', (runner) =>
    works(runner),
  );
});

describe.skipIf(lacksVersitygw('1.8.0'))('export default { fetch }, on a bucket', () => {
  let s3: RunningS3;
  beforeAll(async () => {
    s3 = await startVersitygw({ version: '1.8.0' });
    return () => s3.stop();
  });

  // Nothing but the request keeps this process alive: there is no server.
  it.each(RUNNERS.filter((runner) => !lacksRunner(runner)))(
    '%s: publishes and serves, and the process ends',
    (runner) =>
      works(runner, { S3_ENDPOINT: s3.endpoint, S3_BUCKET: s3.bucket, S3_KEY: s3.accessKey, S3_SECRET: s3.secretKey, ...QUIET }),
    SETUP_MS,
  );
});

describe('built-in modules', () => {
  const dist = join(installed(), 'node_modules', 'entrepot', 'dist');
  /** Loaded by the first who asks for them, wherever the storage is. */
  const putOff = ['auth', 'formats', 'http', 'packages', 'protocols'].flatMap((room) =>
    readdirSync(join(dist, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.js'))
      .map((name) => join(room, name)),
  );
  const needed = (...entries: string[]): string[] => [
    ...importsOf(dist, ['index.js', 'adapters/fetch.js', ...putOff, ...entries]).builtIn.keys(),
  ];
  const page = readFileSync(join(ROOT, 'docs', 'embedding.md'), 'utf8');
  /** What the rows of the page's table name; later rows add to the first. */
  const documented = (...rows: readonly string[]): string[] => {
    const cells = rows.map((row) => new RegExp(`^\\| ${row} \\|([^|]*)\\|`, 'm').exec(page)?.[1] ?? '');
    return [...cells.join().matchAll(/`(node:[a-z/]+)`/g)].map(([, name]) => name ?? '').sort();
  };

  it('in memory: those of the page, and nothing that opens files, sockets or processes', () => {
    const found = needed();
    expect(found).toEqual(documented('memory'));
    for (const name of [
      'node:fs',
      'node:fs/promises',
      'node:path',
      'node:http',
      'node:https',
      'node:tls',
      'node:child_process',
      'node:cluster',
    ])
      expect(found).not.toContain(name);
  });

  it('on S3: those of the page, and no files', () => {
    const found = needed('storage/drivers/s3.js');
    expect(found).toEqual(documented('memory', 'S3'));
    for (const name of ['node:fs', 'node:fs/promises', 'node:child_process']) expect(found).not.toContain(name);
  });

  it('in a folder: those of the page', () => {
    expect(needed('compose-folder.js', 'compose-folder-secret.js')).toEqual(documented('memory', 'folder'));
  });

  it('loads the client of S3 for S3 only', () => {
    expect([...importsOf(dist, ['index.js']).packages].filter((name) => name.startsWith('@aws-sdk'))).toEqual([]);
    expect(readFileSync(join(dist, 'storage', 'drivers', 's3-client.js'), 'utf8')).toContain("import('@aws-sdk/client-s3')");
  });
});
