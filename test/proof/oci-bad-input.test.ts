import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageKey } from '../../ts/storage/key.js';
import { BAD_MANIFESTS } from '../fuzz/manifests.js';
import { SPELLED } from '../fuzz/spellings.js';
import { type Answer, type House, lasting, openHouse } from './house.js';
import { digestOf } from './oci-uses.js';

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const EMPTY = digestOf('{}');
const LAYER = Buffer.from('a layer that is whole '.repeat(20));
const SOUND = JSON.stringify({
  schemaVersion: 2,
  mediaType: IMAGE,
  config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: EMPTY, size: 2 },
  layers: [],
});
const APP = '/v2/team/app';

/** In the words of the specification; nothing of the machine is in it. */
function expectRefusal({ status, text, headers }: Answer, allowed: readonly number[]): void {
  expect(allowed, text.slice(0, 200)).toContain(status);
  expect(headers['content-type']).toBe('application/json');
  const { errors } = JSON.parse(text) as { errors: readonly { code: string; message: string }[] };
  expect(errors[0]?.code).toMatch(/^[A-Z_]+$/);
  expect(text).not.toMatch(/internal error| at [A-Za-z]+ \(|node_modules|objects\/oci/);
  expect(text.length).toBeLessThan(2_000);
}

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
if (!WHOLE) console.log('skipped: bad input to OCI on a folder, where the same code runs; REQUIRE_CLIENTS=1 runs it');

describe.each(WHOLE ? (['memory', 'folder'] as const) : (['memory'] as const))('bad input to OCI on %s', (place) => {
  let house: House;
  let token: string;
  beforeAll(async () => {
    house = await openHouse({ protocol: 'oci', place });
    ({ token } = await house.user('ann', true));
    for (const body of [Buffer.from('{}'), LAYER]) await ask('POST', `${APP}/blobs/uploads/?digest=${digestOf(body)}`, body);
    expect((await ask('PUT', `${APP}/manifests/sound`, SOUND)).status).toBe(201);
  });
  afterAll(async () => {
    expect(house.faults).toEqual([]);
    await house.close();
  });

  const ask = (
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
    signal?: AbortSignal,
  ) => {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const length = bytes instanceof Uint8Array ? { 'content-length': String(bytes.byteLength) } : {};
    const type: Record<string, string> = method === 'PUT' && path.includes('/manifests/') ? { 'content-type': IMAGE } : {};
    return house.ask(method, path, {
      token,
      body: bytes,
      headers: { ...length, ...type, ...headers },
      ...(signal ? { signal } : {}),
    });
  };
  const kept = async (): Promise<readonly string[]> => lasting(await house.keys());

  /** Sends it, and holds the registry to: refused, nothing kept, alive. */
  async function refused(send: () => Promise<Answer>, allowed: readonly number[] = [400]): Promise<void> {
    const before = await kept();
    expectRefusal(await send(), allowed);
    expect(await kept()).toEqual(before);
    expect((await ask('GET', `${APP}/manifests/sound`)).text).toBe(SOUND);
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(12);
    expect(house.faults).toEqual([]);
  }

  it.each(BAD_MANIFESTS)('oci 27, O1: a manifest with $title is refused', async ({ body, type, status }) => {
    const bytes = body();
    for (const reference of place === 'memory' ? ['bad', digestOf(bytes)] : ['bad'])
      await refused(() => ask('PUT', `${APP}/manifests/${reference}`, bytes, { 'content-type': type ?? IMAGE }), [status ?? 400]);
    expect((await ask('GET', `${APP}/manifests/bad`)).status).toBe(404);
  });

  it.each(['', 'text/html', 'application/json', '*/*', 'x'.repeat(3_000)])(
    'O1: a content type of %s is refused',
    async (type) => {
      await refused(
        () => ask('PUT', `${APP}/manifests/bad`, SOUND, { 'content-type': type }),
        type === '' ? [201, 400] : [400],
      ).catch((error: unknown) => {
        // without a content type the manifest's own decides
        if (type !== '') throw error;
      });
      if (type === '') await ask('DELETE', `${APP}/manifests/bad`);
      expect((await ask('GET', `${APP}/manifests/bad`)).status).toBe(404);
    },
  );

  it('oci 26, R16: a body that is declared too long is refused unread', async () => {
    let read = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          read += 1;
          controller.enqueue(new Uint8Array(1024));
        },
      },
      { highWaterMark: 0 },
    );
    await refused(() => ask('PUT', `${APP}/manifests/bad`, body, { 'content-length': String(2 ** 40) }), [413]);
    expect(read).toBe(0);
  });

  const DIGESTS = [
    'sha256',
    'sha256:',
    ':',
    'sha256:zzz',
    EMPTY.toUpperCase(),
    EMPTY.replace(/[a-f]/, (letter) => letter.toUpperCase()),
    EMPTY.slice(0, -1),
    `${EMPTY}0`,
    ` ${EMPTY}`,
    `${EMPTY}\n`,
    `${EMPTY}\0`,
    EMPTY.replace('sha256', 'sha512'),
    'md5:d41d8cd98f00b204e9800998ecf8427e',
    'sha256:../../../../etc/passwd',
    'sha256+sha256:x',
    '__proto__:x',
    `sha256:${'0'.repeat(1_000)}`,
  ];
  it.each(DIGESTS)('oci 13: a blob called %j is refused', async (digest) => {
    const query = `?digest=${encodeURIComponent(digest)}`;
    await refused(() => ask('POST', `${APP}/blobs/uploads/${query}`, '{}'));
    const location = (await ask('POST', `${APP}/blobs/uploads/`, '')).headers['location'] ?? '';
    await refused(() => ask('PUT', `${location}${query}`, '{}'));
    expect((await ask('DELETE', location)).status).toBe(204);
    for (const path of ['blobs', 'referrers'])
      expectRefusal(await ask('GET', `${APP}/${path}/${encodeURIComponent(digest)}`), [400, 404, 414]);
  });

  it.each([
    'x',
    '5-2',
    '-1-5',
    '0-',
    '-5',
    '0-99999999999999999999',
    '99999999999999-99999999999999',
    '9007199254740993-9007199254740995',
    '0-5,7-9',
    '1e0-2',
    '0x0-0x2',
    '0-2-4',
    'bytes */3',
    'chars 0-2/3',
    '0 - 2',
    '٠-٢',
    '0-3',
    '0-1',
    '1-3',
    `0-${'9'.repeat(400)}`,
  ])('oci 10, O12: a chunk at %j is refused, and the upload stands', async (range) => {
    const location = (await ask('POST', `${APP}/blobs/uploads/`, '')).headers['location'] ?? '';
    for (const [method, target] of [
      ['PATCH', location],
      ['PUT', `${location}?digest=${digestOf('abc')}`],
    ] as const)
      await refused(() => ask(method, target, 'abc', { 'content-range': range }), [400, 416]);
    expect((await ask('GET', location)).headers['range']).toBe('0-0');
    expect((await ask('PATCH', location, 'abc', { 'content-range': '0-2' })).status).toBe(202);
    expect((await ask('DELETE', location)).status).toBe(204);
  });

  it.each(['n=-1', 'n=1e18', 'n=NaN', 'n=0x10', 'n=1.5', 'n=%00', 'n=', `n=${'9'.repeat(400)}`])(
    'O4: a page of %s is refused',
    async (query) => {
      for (const path of [`${APP}/tags/list`, '/v2/_catalog', `${APP}/referrers/${EMPTY}`])
        await refused(() => ask('GET', `${path}?${query}`));
    },
  );

  it('O4: pages of any size that is one, behind anything', async () => {
    for (const n of ['9007199254740992', '1000000000000000000', '0'])
      for (const last of ['', '%00', '..%2f..', 'x'.repeat(2_000), '%ff', '__proto__'])
        for (const path of [`${APP}/tags/list`, '/v2/_catalog', `${APP}/referrers/${EMPTY}`])
          expect([200, 400]).toContain((await ask('GET', `${path}?n=${n}&last=${last}`)).status);
  });

  it('tags that are none, or too many, are refused', async () => {
    const digest = digestOf(SOUND);
    for (const tag of ['', '.x', '-x', 'a b', '../x', 'a/b', 'a:b', 'é', '%00', 'x'.repeat(129)])
      await refused(() => ask('PUT', `${APP}/manifests/${digest}?tag=${encodeURIComponent(tag)}`, SOUND));
    const many = Array.from({ length: 101 }, (_, n) => `tag=t${n}`).join('&');
    await refused(() => ask('PUT', `${APP}/manifests/${digest}?${many}`, SOUND));
    for (const tag of ['.x', '-x', 'a%20b', 'x'.repeat(129), '%e9'])
      await refused(() => ask('PUT', `${APP}/manifests/${tag}`, SOUND), [400, 404, 405]);
  });

  it('P1, P2: names and tags that objects have are names and tags like any others', async () => {
    for (const tag of ['__proto__', 'constructor', 'toString']) {
      expect((await ask('PUT', `${APP}/manifests/${tag}`, SOUND)).status).toBe(201);
      expect((await ask('GET', `${APP}/manifests/${tag}`)).text).toBe(SOUND);
      expect((await ask('DELETE', `${APP}/manifests/${tag}`)).status).toBe(202);
      expect((await ask('GET', `${APP}/manifests/${tag}`)).status).toBe(404);
    }
    for (const name of ['constructor', 'valueof', 'blobs', 'a/blobs/uploads', 'manifests/manifests', 'tags/list/tags'])
      expect([name, (await ask('POST', `/v2/${name}/blobs/uploads/?digest=${EMPTY}`, '{}')).status]).toEqual([name, 201]);
  });

  it.each(['UPPER/x', 'a//b', '/a', 'a/', 'a..b', 'a___b', '-a', 'a-', '_a', 'a b', 'é', 'a/...', '__proto__', 'x'.repeat(256)])(
    'oci 3: a repository called %s is refused',
    async (name) => {
      await refused(() => ask('POST', `/v2/${encodeURI(name)}/blobs/uploads/?digest=${EMPTY}`, '{}'), [400, 404, 405]);
      await refused(() => ask('PUT', `/v2/${encodeURI(name)}/manifests/v1`, SOUND), [400, 404, 405]);
    },
  );

  it('mounts of what is no digest, from what is no name, are uploads', async () => {
    for (const mount of ['', 'x', 'sha256:x', '__proto__'])
      for (const from of ['', '../x', 'UPPER', '__proto__', '%00', 'x'.repeat(300)]) {
        const answer = await ask('POST', `${APP}/blobs/uploads/?mount=${mount}&from=${from}`, '');
        expect([202, 400], answer.text).toContain(answer.status);
      }
  });

  it('R16: a body of the wrong length, and one whose client goes half-way, leaves nothing', async () => {
    const paths = [
      ['POST', `${APP}/blobs/uploads/?digest=${digestOf('whole body')}`],
      ['PUT', `${APP}/manifests/bad`],
    ] as const;
    const before = await kept();
    for (const [method, path] of paths)
      for (const sent of [0, 1, 5]) {
        const client = new AbortController();
        let pulls = 0;
        const body = new ReadableStream<Uint8Array>(
          {
            pull(controller) {
              pulls += 1;
              if (pulls === 1 && sent > 0) return controller.enqueue(Buffer.from('whole body').subarray(0, sent));
              client.abort();
              return new Promise(() => undefined);
            },
          },
          { highWaterMark: 0 },
        );
        const answer = await ask(method, path, body, { 'content-length': '10' }, client.signal);
        expect(answer.status).toBe(499);
        await expect.poll(kept, { timeout: 5_000 }).toEqual(before);
      }
    for (const [method, path] of paths)
      for (const length of ['5', '4000']) {
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(Buffer.from('whole body'));
            controller.close();
          },
        });
        await refused(() => ask(method, path, body, { 'content-length': length }), [400, 413]);
      }
  });

  it('oci 43: a chunk whose client goes half-way stays as far as it came', async () => {
    const location = (await ask('POST', `${APP}/blobs/uploads/`, '')).headers['location'] ?? '';
    const client = new AbortController();
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls += 1;
          if (pulls === 1) return controller.enqueue(Buffer.from('half '));
          client.abort();
          return new Promise(() => undefined);
        },
      },
      { highWaterMark: 0 },
    );
    expect((await ask('PATCH', location, body, { 'content-length': '10' }, client.signal)).status).toBe(499);
    await expect.poll(async () => (await ask('GET', location)).headers['range'], { timeout: 5_000 }).toMatch(/^0-[04]$/);
    const { headers } = await ask('GET', location);
    const stands = headers['range'] === '0-4' ? 5 : 0;
    const rest = Buffer.from('half gone').subarray(stands);
    const done = await ask('PUT', `${location}?digest=${digestOf('half gone')}`, rest);
    expect(done.status).toBe(201);
    expect((await ask('GET', `${APP}/blobs/${digestOf('half gone')}`)).text).toBe('half gone');
  });

  it('A4: junk at the token endpoint opens nothing and breaks nothing', async () => {
    const scopes = [
      '',
      ':',
      '::',
      'repository',
      'repository:',
      'repository::',
      'repository:x',
      'a'.repeat(5_000),
      '%00',
      'repository:../x:pull',
      'x:y:z:*',
    ];
    for (const scope of scopes)
      expect([200, 400]).toContain((await ask('GET', `/v2/token?service=x&scope=${scope}&scope=${scope}`)).status);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    for (const body of [
      '',
      '=',
      'grant_type',
      'grant_type=x',
      'grant_type=password',
      'grant_type=password&username=a',
      '%%%',
      '{"a":1}',
    ])
      await refused(() => ask('POST', '/v2/token', body, form), [400, 401, 415]);
    await refused(() => ask('POST', '/v2/token', Buffer.alloc(70_000, 0x61), form), [413]);
  });
});

/** What all repositories share in the store, and what one of them owns. */
const SHARED =
  /^(?:feed\/(?:oci|~users)(?:\/|$)|pending\/(?:oci|~users)(?:\/|$)|derived\/(?:feed|checkpoint|probe)\/|keys\/|log\/~users\/|upload\/oci\/[a-z2-7]{26}\/|entrepot\.json$)/;
const OWNED = /^(?:log|objects)\/oci\/([a-z0-9-]+)\//;

it('N1: no spelling in any parameter of any OCI route reaches a foreign key', { timeout: 120_000 }, async () => {
  const house = await openHouse({ protocol: 'oci' });
  const { token } = await house.user('ann', true);
  const good: Readonly<Record<string, string>> = { name: 'team/app', digest: EMPTY, reference: 'v1', id: 'a'.repeat(26) };
  const put = await house.ask('POST', `${APP}/blobs/uploads/?digest=${EMPTY}`, { token, body: Buffer.from('{}') });
  expect(put.status).toBe(201);
  /** Every stretch of the path that could honestly be a name. */
  const meant = (path: string): ReadonlySet<string> => {
    const parts = (path.split('?')[0] ?? '').split('/').flatMap((part) => {
      try {
        return decodeURIComponent(part).split('/');
      } catch {
        return [part];
      }
    });
    const names = parts.flatMap((_, from) => parts.slice(from).map((_, to) => parts.slice(from, from + to + 1).join('/')));
    return new Set(names.map(packageKey));
  };
  const wrong: string[] = [];
  let decisions = 0;
  for (const route of house.registry.parts.repositories[0]?.site.instance.routes ?? []) {
    for (const name of route.names) {
      for (const spelling of SPELLED) {
        decisions += 1;
        const filled = route.path.replace(/\{(\w+)\}/g, (_, hole: string) => (hole === name ? spelling : (good[hole] ?? 'x')));
        const path = `${route.root ? '' : '/oci'}${filled}${route.id === 'upload-start' ? `?mount=${EMPTY}&from=${spelling.replace(/[&#?]/g, '')}` : ''}`;
        house.calls.forget();
        const body =
          route.method === 'PUT' || route.method === 'POST' || route.method === 'PATCH' ? Buffer.from('{}') : undefined;
        const answer = await house.ask(route.method, path, {
          token,
          ...(body ? { body, headers: { 'content-length': '2' } } : {}),
        });
        const where = `${route.method} ${route.id} {${name}} = ${spelling.slice(0, 40)}`;
        if (answer.status >= 500) wrong.push(`${where}: ${answer.status} ${answer.text}`);
        let allowed: ReadonlySet<string> | undefined;
        for (const key of new Set(house.calls.all.map((call) => call.key))) {
          const owner = OWNED.exec(`${key}/`)?.[1];
          if (owner !== undefined) allowed ??= meant(path);
          if (owner === undefined ? !SHARED.test(key) : !allowed?.has(owner)) wrong.push(`${where}: ${key}`);
        }
        if (/root:|"format"/.test(answer.text)) wrong.push(`${where}: somebody else's file`);
      }
    }
  }
  console.log(`OCI traversal: ${decisions} requests`);
  expect(decisions).toBeGreaterThan(1_500);
  expect(wrong).toEqual([]);
  expect(house.faults).toEqual([]);
  await house.close();
});
