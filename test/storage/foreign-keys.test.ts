import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { SmartRegistry } from '../../ts/index.js';
import { utf8 } from '../../ts/lib/bytes.js';
import { sweepUploads } from '../../ts/packages/upload-sweep.js';
import type { Finding } from '../../ts/packages/verify.js';
import { collectAll, verifyAll } from '../../ts/server/house-keeping.js';
import { checked } from '../../ts/storage/checked-driver.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { houseOver } from '../server/house-over.js';
import { publishBody } from '../server/publish.js';
import { s3Fixture } from './s3-fixture.js';

const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function listed(driver: StorageDriver, prefix: string, limit: number) {
  const [keys, foreign]: [string[], Set<string>] = [[], new Set()];
  for (let after: string | undefined, more = true; more; ) {
    const page = await driver.list(prefix, { after, limit });
    expect(page.objects.length).toBeLessThanOrEqual(limit);
    keys.push(...page.objects.map(({ key }) => key));
    for (const key of page.foreign ?? []) foreign.add(key);
    after = page.next;
    more = after !== undefined;
  }
  return { keys, foreign: [...foreign].sort() };
}

/** Put there by somebody else; each sorts behind `x/5`. */
const FOREIGN = ['x/5 6', 'x/5\u00e9', 'x/5/', 'x/5//y', 'x/5/../y', 'x/5?a=b&c=<d>', `x/5${'z'.repeat(300)}`];

describe('keys that are not ours in a bucket', () => {
  const on = s3Fixture();

  it.each([1, 2, 3, 7, 1_000])(
    'do not stop a listing in pages of %i, wherever a page ends, and are no objects',
    async (limit) => {
      const own = Array.from({ length: 9 }, (_, at) => `x/${at}`);
      for (const key of [...own, ...FOREIGN, ...FOREIGN.map((key) => key.replace('x/5', 'x/8'))])
        on.fake.store.put(key, Buffer.from('1'));
      const { keys, foreign } = await listed(checked(on.driver), 'x/', limit);
      expect(keys).toEqual(own);
      // folder markers are told of by nobody
      expect(foreign).toHaveLength(2 * (FOREIGN.length - 1));
    },
  );

  it('nothing but such keys, more than a page of them', async () => {
    for (let at = 0; at < 25; at += 1) on.fake.store.put(`x/a ${at}`, Buffer.from('1'));
    on.fake.store.put('x/b', Buffer.from('1'));
    expect((await listed(checked(on.driver), 'x/', 10)).keys).toEqual(['x/b']);
    on.fake.store.objects.delete('x/b');
    expect((await listed(checked(on.driver), 'x/', 10)).keys).toEqual([]);
  });

  it('in the folder of an upload that is over: the upload goes, they stay', async () => {
    const driver = checked(on.driver);
    const id = 'a'.repeat(26);
    const slots = [0, 1].map((n) => `upload/oci/${id}/000000000${n}.jsonl`);
    const others = [`upload/oci/${id}/notes.txt`, `upload/oci/${id}/0000000000.jsonl/x`, `upload/oci/${id}/no key`];
    for (const key of [...slots, ...others]) on.fake.store.put(key, Buffer.from('x'));
    expect(await sweepUploads({ driver, repository: 'oci', now: Date.parse('2100-01-01'), grace: 1 })).toBe(1);
    expect([...on.fake.store.objects.keys()].sort()).toEqual(others.sort());
  });
});

it('files that are not ours in a folder are named by verify and stay', async () => {
  const root = mkdtempSync(join(tmpdir(), 'entrepot-'));
  folders.push(root);
  const registry = new SmartRegistry({
    storage: { driver: 'filesystem', root },
    auth: { adminToken: TOKEN },
    npm: { enabled: true },
  });
  await registry.init();
  const theirs = ['objects/npm/a file', 'log/npm/une é', 'a folder'];
  mkdirSync(join(root, 'objects/npm'), { recursive: true });
  mkdirSync(join(root, 'log/npm'), { recursive: true });
  for (const key of theirs) writeFileSync(join(root, key), 'theirs');
  const messages: string[] = [];
  const report = await verifyAll(registry.parts, { repair: true, onFinding: ({ message }) => void messages.push(message) });
  expect([report.problems, messages.sort()]).toEqual([0, ['"a folder"', '"log/npm/une \\u00e9"', '"objects/npm/a file"']]);
  expect((await collectAll(registry.parts, { dryRun: false })).map(({ condemned }) => condemned)).toEqual([0]);
  await registry.destroy();
});

it('beside everything that a registry keeps: it goes on, deletes none of them, and names them', async () => {
  // its own listings are of any key, like a bucket's
  const store = new MemoryDriver();
  const registry = new SmartRegistry({
    storage: store,
    secret: 'correct-horse-battery-staple-1-AZ9',
    auth: { adminToken: TOKEN },
    npm: { enabled: true },
    oci: { enabled: true },
    maxStaleness: 0,
    onFault: (error) => expect.unreachable(String(error)),
  });
  await registry.init();
  const ask = houseOver(registry, TOKEN);
  const put = async (name: string): Promise<number> => (await ask('PUT', `/npm/${name}`, publishBody(name, '1.0.0'))).status;
  expect(await put('a')).toBe(201);
  const places = [
    'log/npm',
    'log/~users',
    'log/~repositories',
    'feed/npm',
    'objects/npm',
    'objects/oci',
    'upload/oci',
    'pending/npm',
    'derived',
    'keys',
  ];
  const foreign = places.flatMap((place) => [`${place}/0 first`, `${place}/zzz last`, `${place}/zz z/0000000000.jsonl`]);
  for (const key of foreign) await store.write(key, utf8('theirs'));
  // more than a page of them where every read looks
  const crowd = Array.from({ length: 1_100 }, (_, at) => `pending/npm/a b${at}`);
  for (const key of crowd) await store.write(key, utf8('theirs'));
  expect(await put('b')).toBe(201);
  expect((await collectAll(registry.parts, { dryRun: false })).map(({ condemned }) => condemned)).toEqual([0, 0]);
  for (const key of crowd) expect(await store.stat(key)).toBeDefined();
  await store.delete(crowd);
  const findings: Finding[] = [];
  const { problems } = await verifyAll(registry.parts, { repair: true, onFinding: (finding) => void findings.push(finding) });
  expect(problems).toBe(0);
  expect([...new Set(findings.map(({ kind }) => kind))]).toEqual(['foreign']);
  const named = findings.map(({ message }) => message);
  for (const key of foreign) expect(named).toContain(JSON.stringify(key));
  for (const key of foreign) expect(await store.stat(key)).toBeDefined();
  await registry.destroy();
});
