import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentOf, tarballOf } from '../proof/documents.js';
import { badCredentials } from './credentials.js';
import { type Door, openDoor, type Sent } from './door.js';
import { HEADERS } from './headers.js';
import { NAMES } from './names.js';
import { RANGES } from './ranges.js';
import { BLOB, MANIFEST, requests, spelled } from './requests.js';

const MIB = 1024 ** 2;
const LONG = process.env['REQUIRE_CLIENTS'] === '1';
const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? (LONG ? 60 : 2));
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const AT_ONCE = 6;
const MAX_GROWTH = 384 * MIB;

let door: Door;
/** The value of Authorization for somebody who owns what the fuzzer plays with, and nothing else. */
let ann: string;
let credentials: readonly string[];
let manifestDigest: string;

/** Somebody has to be known for these. */
const PROTECTED = [
  ['GET', '/npm/-/whoami'],
  ['PUT', '/npm/-/package/fuzz-a/dist-tags/next'],
  ['GET', '/v2/fuzz-c/manifests/latest'],
  ['POST', '/v2/fuzz-c/blobs/uploads/'],
] as const;

const json = 'Content-Type: application/json';
const as = (authorization: string): readonly string[] => [`Authorization: ${authorization}`];

async function push(authorization: string, name: string): Promise<void> {
  const digest = `sha256:${createHash('sha256').update(BLOB).digest('hex')}`;
  const blob = { method: 'POST', target: `/v2/${name}/blobs/uploads/?digest=${digest}`, headers: as(authorization), body: BLOB };
  expect((await door.ask(blob)).status).toBe(201);
  const headers = [...as(authorization), 'Content-Type: application/vnd.oci.image.manifest.v1+json'];
  expect((await door.ask({ method: 'PUT', target: `/v2/${name}/manifests/latest`, headers, body: MANIFEST })).status).toBe(201);
}

const publish = async (authorization: string, name: string): Promise<number> => {
  const body = JSON.stringify(documentOf({ name, version: '1.0.0' }));
  return (
    await door.ask({ method: 'PUT', target: `/npm/${name.replace('/', '%2f')}`, headers: [...as(authorization), json], body })
  ).status;
};

beforeAll(async () => {
  door = await openDoor();
  const [keeper, token] = [`Bearer ${await door.user('keeper')}`, await door.user('ann')];
  ann = `Bearer ${token}`;
  expect(await publish(keeper, 'sound')).toBe(201);
  await push(keeper, 'sound');
  expect(await publish(ann, 'fuzz-a')).toBe(201);
  expect(await publish(ann, '@fuzz/b')).toBe(201);
  await push(ann, 'fuzz-c');
  manifestDigest = `sha256:${createHash('sha256').update(MANIFEST).digest('hex')}`;
  const basic = Buffer.from(`ann:${token}`).toString('base64');
  const asked = {
    method: 'GET',
    target: '/v2/token?service=x&scope=repository:fuzz-c:pull,push',
    headers: [`Authorization: Basic ${basic}`],
  };
  const answer = await door.ask(asked);
  expect(answer.status).toBe(200);
  const { token: jwt } = JSON.parse(answer.body.toString()) as { token: string };
  credentials = [ann, `Bearer ${jwt}`, `Basic ${basic}`, ...badCredentials(jwt, token)];
});
afterAll(() => door?.close());

/** It still answers, and what belongs to others is what it was. */
async function expectSound(): Promise<void> {
  const tarball = await door.ask({ method: 'GET', target: '/npm/sound/-/sound-1.0.0.tgz', headers: as(ann) });
  expect(tarball.body.equals(tarballOf('sound', '1.0.0'))).toBe(true);
  const manifest = await door.ask({ method: 'GET', target: `/v2/sound/manifests/${manifestDigest}`, headers: as(ann) });
  expect(manifest.body.toString()).toBe(MANIFEST);
  expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(12);
  expect(door.faults).toEqual([]);
}

const INSIDES = [/\n {4}at /, /node_modules/, /node:internal/] as const;

/** No answer is a failure of the server's, and none shows its insides. */
async function expectHarmless(sent: Sent): Promise<number> {
  const { status, head, body } = await door.ask(sent);
  const said = `${JSON.stringify(sent).slice(0, 3_000)}\n${head}\n${body.toString('utf8', 0, 500)}`;
  const sentText = `${sent.target}${sent.headers?.join()}${Buffer.from((sent.body ?? '') as Uint8Array).toString('latin1')}`;
  // Names that were sent may be told again.
  const shown = INSIDES.filter((inside) => inside.test(body.toString('latin1', 0, 20_000)) && !inside.test(sentText));
  if (status >= 500 || shown.length > 0) throw new Error(said);
  return status;
}

describe('tables, over a socket', () => {
  it('N1: names are taken as the table says, or refused', async () => {
    const wrong: string[] = [];
    for (const { name, npm, oci } of NAMES) {
      const body = JSON.stringify(documentOf({ name, version: '1.0.0' }));
      const npmPath = `/npm/${spelled(name, /[\w.~@!'()*-]/)}`;
      const published = await expectHarmless({ method: 'PUT', target: npmPath, headers: [...as(ann), json], body });
      if (npm ? published !== 201 : published === 0 || published < 400) wrong.push(`npm ${name.slice(0, 60)}: ${published}`);
      const ociPath = `/v2/${spelled(name, /[\w.~@!'()*/-]/)}/blobs/uploads/`;
      const begun = await expectHarmless({ method: 'POST', target: ociPath, headers: as(ann), body: '' });
      if (oci ? begun !== 202 : begun === 0 || begun < 400) wrong.push(`oci ${name.slice(0, 60)}: ${begun}`);
    }
    expect(wrong).toEqual([]);
    await expectSound();
  });

  it('ranges give the bytes that they say, of a tarball and of a layer', async () => {
    const wrong: string[] = [];
    const digest = createHash('sha256').update(BLOB).digest('hex');
    const places = [
      { target: '/npm/sound/-/sound-1.0.0.tgz', bytes: tarballOf('sound', '1.0.0') },
      { target: `/v2/sound/manifests/${manifestDigest}`, bytes: Buffer.from(MANIFEST) },
      { target: `/v2/sound/blobs/sha256:${digest}`, bytes: BLOB },
    ];
    for (const { target, bytes } of places) {
      for (const { range, expected } of RANGES) {
        const answer = await door.ask({ method: 'GET', target, headers: [...as(ann), `Range: ${range}`] });
        const what = expected(bytes.byteLength);
        // A manifest is small and goes out whole where ranges are not offered.
        if (
          answer.status === 200 &&
          answer.body.equals(bytes) &&
          (typeof what === 'number' || !/accept-ranges: bytes/i.test(answer.head))
        )
          continue;
        const fits =
          typeof what === 'number'
            ? answer.status === what
            : answer.status === 206 && answer.body.equals(bytes.subarray(what[0], what[1] + 1));
        if (!fits) wrong.push(`${target} ${range.slice(0, 40)}: ${answer.status} ${/content-range: .*/i.exec(answer.head)?.[0]}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it(`A: no altered token opens anything${LONG ? '' : ', one in three'}`, async () => {
    const wrong: string[] = [];
    for (const credential of credentials.slice(3).filter((_, at) => LONG || at % 3 === seed % 3)) {
      const told = PROTECTED.map(async ([method, target]) => {
        const body = method === 'GET' ? undefined : '"1.0.0"';
        const status = await expectHarmless({ method, target, headers: [...as(credential), json], body });
        if (![400, 401, 429, 431].includes(status)) wrong.push(`${method} ${target} ${credential.slice(0, 80)}: ${status}`);
      });
      await Promise.all(told);
    }
    expect(wrong).toEqual([]);
    await expectSound();
  });

  const stride = LONG ? 1 : 24;
  it(`H: header lines on ${LONG ? 'every route' : 'one route in 24 each'}`, { timeout: 300_000 }, async () => {
    let asked = 0;
    for (const [at, { method, path }] of door.targets.entries()) {
      const target = path.replace(/\{(\w+)\}/g, 'fuzz-a');
      const lines = HEADERS.filter((_, index) => (index + at) % stride === 0);
      await Promise.all(
        lines.map((line) =>
          expectHarmless({ method, target, headers: [...as(ann), line], body: method === 'GET' ? undefined : '{}' }),
        ),
      );
      asked += lines.length;
    }
    expect(asked).toBeGreaterThan((door.targets.length * HEADERS.length) / stride - door.targets.length);
    await expectSound();
  });
});

it(`4(d): ${SECONDS} s of requests to all routes, seed ${seed} (FUZZ_SECONDS, FUZZ_SEED)`, {
  timeout: (SECONDS + 60) * 1_000,
}, async () => {
  expect(new Set(door.targets.map(({ protocol }) => protocol))).toEqual(new Set(['npm', 'oci']));
  const counts = new Map<number, number>();
  const before = process.memoryUsage.rss();
  let [batches, peak] = [0, before];
  await fc.assert(
    fc.asyncProperty(fc.array(requests(door.targets, credentials), { minLength: AT_ONCE, maxLength: AT_ONCE }), async (batch) => {
      for (const status of await Promise.all(batch.map(expectHarmless))) counts.set(status, (counts.get(status) ?? 0) + 1);
      expect(door.faults).toEqual([]);
      batches += 1;
      peak = Math.max(peak, process.memoryUsage.rss());
      if (batches % 50 === 0) await expectSound();
    }),
    { seed, numRuns: 1e9, interruptAfterTimeLimit: SECONDS * 1_000, markInterruptAsFailure: false, endOnFailure: true },
  );
  console.log(
    `fuzz: seed ${seed}, ${batches * AT_ONCE} requests, ${JSON.stringify([...counts].sort())}, +${Math.round((peak - before) / MIB)} MiB`,
  );
  await expectSound();
  expect(batches).toBeGreaterThan(SECONDS / 5);
  const worked = [...counts].reduce((sum, [status, count]) => sum + (status < 300 ? count : 0), 0);
  expect(worked).toBeGreaterThan((batches * AT_ONCE) / 50);
  expect(peak - before).toBeLessThan(MAX_GROWTH);
});
