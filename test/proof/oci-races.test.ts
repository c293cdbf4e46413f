import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SmartRegistry } from '../../ts/smart-registry.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { type Answered, digestOf, inProcess, overHttp, type Send } from '../conformance/oci/client.js';
import { Content, IMAGE, type Manifest } from '../conformance/oci/content.js';
import { push } from '../conformance/oci/images.js';
import { blobAt, STYLES, Talk } from '../conformance/oci/uploads.js';
import { ADMIN_TOKEN, startCluster } from './cluster.js';
import { SECRET } from './house.js';

interface Arena {
  /** One for each instance. */
  readonly sends: readonly Send[];
  close(): Promise<void>;
}

const NOTHING = { body: new Uint8Array(0) };
const CLIENTS = 16;
/** By hand a third of it. */
const quick = process.env['REQUIRE_CLIENTS'] !== '1';
if (quick) console.log('shortened: fewer rounds, and no deletions against pushes; REQUIRE_CLIENTS=1 makes all');
const ROUNDS = quick ? 3 : 9;

async function inMemory(): Promise<Arena> {
  const storage = new SynchronousMemoryDriver();
  const config = { storage, secret: SECRET, auth: { adminToken: ADMIN_TOKEN }, oci: { enabled: true }, maxStaleness: 0 };
  const registries = [new SmartRegistry(config), new SmartRegistry(config)];
  for (const registry of registries) await registry.init();
  return {
    sends: registries.map((registry) => inProcess([registry], ADMIN_TOKEN)),
    close: async () => {
      for (const registry of registries) await registry.destroy();
    },
  };
}

async function onFolder(): Promise<Arena> {
  const cluster = await startCluster({ processes: 4 });
  const clients = cluster.processes.map(({ url }) => overHttp(url, ADMIN_TOKEN));
  return {
    sends: clients.map(({ send }) => send),
    async close() {
      for (const { close } of clients) close();
      for (const { err } of cluster.processes) expect(err()).toBe('');
      await cluster.stop();
    },
  };
}

const tally = (answers: readonly Answered[]): Readonly<Record<number, number>> => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

describe.each([
  ['two instances in memory', inMemory],
  ['four processes on one folder', onFolder],
] as const)('races, %s', (_, open) => {
  let arena: Arena;
  beforeAll(async () => {
    arena = await open();
  });
  afterAll(() => arena.close());
  const at = (n: number): Send => arena.sends[n % arena.sends.length] as Send;
  const many = <T>(count: number, work: (n: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => work(n)));
  const manifestAt = (name: string, reference: string): string => `/v2/${name}/manifests/${reference}`;
  const put = (n: number, name: string, reference: string, { bytes, mediaType }: Manifest): Promise<Answered> =>
    at(n)('PUT', manifestAt(name, reference), { body: bytes, headers: { 'content-type': mediaType } });

  it('oci 44, S5: 16 clients push one layer, each in its own way: all 201, and the layer is whole', async () => {
    const bytes = Buffer.from('the one layer '.repeat(9_000));
    const digest = digestOf(bytes);
    await many(CLIENTS, async (n) => {
      const talk = new Talk(at(n));
      await STYLES[n % STYLES.length]?.push(talk, { name: 'race/layer', digest, bytes, last: 201 });
    });
    for (const send of arena.sends) {
      const got = await send('GET', blobAt('race/layer', digest));
      expect([got.status, got.bytes.equals(bytes)]).toEqual([200, true]);
    }
  });

  it('oci 44: a tag that 16 clients move at once points to one of theirs, and never to nothing', async () => {
    const content = new Content('moves');
    const images = Array.from({ length: 8 }, () => content.image());
    content.tags.set('latest', images[0]?.digest ?? '');
    await push(new Talk(at(0)), 'race/tags', content);
    let moving = true;
    const seen = new Set<string>();
    const reading = many(4, async (n) => {
      for (let look = 0; moving && look < 10_000; look += 1) {
        // what answers without a turn would let nobody else have one
        await new Promise((resolve) => setImmediate(resolve));
        const { status, headers, bytes } = await at(n)('GET', manifestAt('race/tags', 'latest'));
        expect([status, digestOf(bytes)]).toEqual([200, headers['docker-content-digest']]);
        seen.add(digestOf(bytes));
      }
    });
    const answers = await many(CLIENTS * 4, (n) => put(n, 'race/tags', 'latest', images[n % images.length] as Manifest));
    moving = false;
    await reading;
    expect(tally(answers)).toEqual({ 201: CLIENTS * 4 });
    const last = await Promise.all(arena.sends.map((send) => send('HEAD', manifestAt('race/tags', 'latest'))));
    const ends = new Set(last.map(({ headers }) => headers['docker-content-digest']));
    expect(ends.size).toBe(1);
    for (const digest of [...ends, ...seen]) expect(images.map((one) => one.digest)).toContain(digest);
  });

  it('O7, C2: an upload that 8 clients finish at once is one blob, whole', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const bytes = Buffer.from(`round ${round} `.repeat(500));
      const digest = digestOf(bytes);
      const opened = await at(0)('POST', '/v2/race/finish/blobs/uploads/', NOTHING);
      const location = opened.headers['location'] ?? '';
      const whole = round % 2 === 0;
      if (!whole) expect((await at(1)('PATCH', location, { body: bytes })).status).toBe(202);
      const target = `${location}?digest=${digest}`;
      const answers = await many(8, (n) => at(n)('PUT', target, whole ? { body: bytes } : NOTHING));
      // who comes late finds the upload gone, or standing elsewhere
      for (const { status, bytes: told } of answers) expect([201, 404, 416], told.toString('utf8')).toContain(status);
      expect(tally(answers)[201]).toBeGreaterThan(0);
      for (const send of arena.sends) {
        const got = await send('GET', blobAt('race/finish', digest));
        expect([got.status, got.bytes.equals(bytes)]).toEqual([200, true]);
      }
    }
  });

  it('O7: chunks that race with the PUT leave a whole blob or none', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const bytes = Buffer.from(`chunks ${round} `.repeat(300));
      const digest = digestOf(bytes);
      const location = (await at(0)('POST', '/v2/race/chunks/blobs/uploads/', NOTHING)).headers['location'] ?? '';
      const half = bytes.length >> 1;
      const chunk = (n: number, from: number, to: number): Promise<Answered> =>
        at(n)('PATCH', location, { body: bytes.subarray(from, to), headers: { 'content-range': `${from}-${to - 1}` } });
      const work = [
        chunk(0, 0, half),
        chunk(1, 0, half),
        chunk(2, half, bytes.length),
        at(3)('PUT', `${location}?digest=${digest}`, { body: bytes }),
        chunk(3, half, bytes.length),
      ];
      const answers = await Promise.all(work);
      for (const { status } of answers) expect([201, 202, 400, 404, 416]).toContain(status);
      const got = await at(round)('GET', blobAt('race/chunks', digest));
      expect([200, 404]).toContain(got.status);
      if (got.status === 200) expect(got.bytes.equals(bytes)).toBe(true);
      expect(got.status).toBe(answers.some(({ status }) => status === 201) ? 200 : 404);
    }
  });

  it.skipIf(quick)('oci 44, oci 46: deletions against pushes: never a 5xx, and every image that is left is whole', async () => {
    const name = 'race/deletes';
    const content = new Content('deletes');
    const layer = content.layer();
    const images = Array.from({ length: 4 }, () => content.image({ layers: [layer] }));
    const blobs = [...content.blobs];
    const pushing = many(8, async (n) => {
      const answers: Answered[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const [digest, bytes] of blobs)
          answers.push(await at(n)('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: bytes }));
        const image = images[(n + round) % images.length] as Manifest;
        answers.push(await put(n + 1, name, `t${n % 3}`, image));
        answers.push(await at(n)('HEAD', blobAt(name, layer.digest)));
      }
      return answers;
    });
    const deleting = many(8, async (n) => {
      const answers: Answered[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const image = images[(n + round) % images.length] as Manifest;
        answers.push(await at(n)('DELETE', manifestAt(name, n % 2 === 0 ? image.digest : `t${n % 3}`)));
        for (const [digest] of blobs) answers.push(await at(n + 1)('DELETE', blobAt(name, digest)));
      }
      return answers;
    });
    const pushed = (await pushing).flat();
    const deleted = (await deleting).flat();
    // a manifest whose blob has just gone is told so
    for (const { status } of pushed) expect([200, 201, 404]).toContain(status);
    for (const { status } of deleted) expect([202, 404, 405]).toContain(status);
    expect(tally(pushed)[201]).toBeGreaterThan(8 * ROUNDS);
    expect(tally(deleted)[202]).toBeGreaterThan(3);
    for (const [n, send] of arena.sends.entries())
      for (const tag of ['t0', 't1', 't2']) {
        const got = await send('GET', manifestAt(name, tag));
        if (got.status === 404) continue;
        expect(got.headers['content-type']).toBe(IMAGE);
        const { config, layers } = JSON.parse(got.bytes.toString('utf8')) as { config: Manifest; layers: Manifest[] };
        for (const { digest } of [config, ...layers])
          expect(digestOf((await at(n + 1)('GET', blobAt(name, digest))).bytes)).toBe(digest);
      }
  });
});
