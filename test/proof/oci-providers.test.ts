import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openHouse } from './house.js';
import type { OciCast } from './oci-cast.js';
import { OciMatrix, summary } from './oci-matrix.js';
import { NEEDS, type Standing } from './oci-oracle.js';
import { digestOf, IMAGES, LAYER, SHARED, SPARE, USES } from './oci-uses.js';
import { CASES, hurried, obedient, type Part } from './provider-cases.js';

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
/** What can be done with a provider's own tokens: sessions are the house's. */
const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
const OWN = USES.filter(({ id }) => !['token', 'ping'].includes(id) && NEEDS[id] !== 'to push, and their own upload');

describe.each(WHOLE ? [false, true] : [true])('A15: a provider of the application over OCI, anonymous reading: %s', (open) => {
  let stage: Pick<OciCast, 'house' | 'repositories' | 'fresh' | 'upload'>;
  let part: Part = {};

  beforeAll(async () => {
    const provider = obedient(() => part);
    const house = await openHouse({ protocol: 'oci', anonymousRead: open, authProvider: provider, runtime: hurried });
    const [repository] = house.registry.parts.repositories;
    const must = async (expected: number, method: string, path: string, asked: object = {}): Promise<string> => {
      const before = part;
      part = {};
      const answer = await house.ask(method, path, { token: 'good', ...asked });
      part = before;
      if (answer.status !== expected) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.headers['location'] ?? '';
    };
    const put = async (name: string, standing: Standing): Promise<string> => {
      if (standing === 'absent') return name;
      const blobs = standing === 'deleted' ? [SPARE] : [LAYER, SPARE];
      for (const body of blobs) await must(201, 'POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(body)}`, { body });
      if (standing === 'deleted') await must(202, 'DELETE', `/v2/${name}/blobs/${digestOf(SPARE)}`);
      else
        for (const [n, body] of IMAGES.entries())
          await must(201, 'PUT', `/v2/${name}/manifests/v${n + 1}`, { body, headers: { 'content-type': IMAGE } });
      const changes = [{ type: 'visibility', by: 'zoe', visibility: 'restricted' }];
      if (standing === 'restricted') await repository?.space.commit(name, () => ({ changes, result: undefined }));
      return name;
    };
    await must(201, 'POST', `/v2/acme/source/blobs/uploads/?digest=${digestOf(SHARED)}`, { body: SHARED });
    let count = 0;
    stage = {
      house,
      repositories: {
        absent: 'acme/absent',
        public: await put('acme/public', 'public'),
        restricted: await put('acme/closed', 'restricted'),
        deleted: await put('acme/hollow', 'deleted'),
      },
      fresh: (standing) => {
        count += 1;
        return put(`acme/f${String(count).padStart(5, '0')}`, standing);
      },
      upload: async (name) => (await must(202, 'POST', `/v2/${name}/blobs/uploads/`)).replace(/^.*\//, ''),
    };
  });
  afterAll(() => stage.house.close());

  it.each(CASES)(
    'one that $title opens nothing that it should not',
    { timeout: 120_000 },
    async ({ title, part: chosen, who }) => {
      const hangs = title.startsWith('hangs');
      const matrix = new OciMatrix(stage, open, WHOLE && !hangs ? 'two' : 'plain');
      const { credentials, reads = false, writes = false, admin = false } = who;
      part = chosen;
      const rights = { reads, creates: writes, overwrites: writes, deletes: writes, admin };
      await matrix.all(
        { name: 'zoe', who: { credentials, ...rights }, headers: { authorization: 'Bearer good' } },
        hangs ? OWN.filter((_, n) => n % 6 === 0) : OWN,
      );
      part = {};
      expect(matrix.wrong).toEqual([]);
      const told = stage.house.faults.splice(0);
      for (const { where } of told) expect(where).toMatch(/^auth provider/);
      expect(told.length > 0).toBe(/throws|rejects|hangs|says|names|scopes/.test(title));
    },
  );
});

afterAll(() => {
  console.log(`OCI providers: ${summary()}`);
});
