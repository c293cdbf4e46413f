import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mistakenReader } from './cast.js';
import { type OciCast, openOciCast } from './oci-cast.js';
import { OciMatrix, summary } from './oci-matrix.js';
import { NEEDS } from './oci-oracle.js';
import { digestOf, SHARED, strangers, USES } from './oci-uses.js';

/** CI asks in every spelling; by hand in two each, others for each question. */
const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
const CHARACTERS = 17;

describe.each([false, true])('Z1: the authorisation matrix of OCI, anonymous reading: %s', (open) => {
  let cast: OciCast;
  beforeAll(async () => {
    cast = await openOciCast(open);
  });
  afterAll(async () => {
    expect(cast.house.faults).toEqual([]);
    await cast.close();
  });

  it('knows every route of the table, and no other', () => {
    const [repository] = cast.house.registry.parts.repositories;
    const routes = repository?.site.instance.routes ?? [];
    expect(routes.length).toBeGreaterThan(25);
    expect(strangers(routes)).toEqual([]);
    expect(USES.map(({ id }) => id).sort()).toEqual(Object.keys(NEEDS).sort());
    expect(cast.characters).toHaveLength(CHARACTERS);
  });

  it.each(Array.from({ length: CHARACTERS }, (_, n) => n))(
    'O5, O8, O10: decides for caller %i as the oracle does',
    { timeout: 240_000 },
    async (n) => {
      const character = cast.characters[n];
      if (!character) throw new Error(`there is no caller ${n}`);
      const matrix = new OciMatrix(cast, open, WHOLE ? 'all' : n % 3 === 0 ? 'two' : 'plain');
      // by hand every caller asks one half of the questions, its neighbours the other
      const uses = USES.filter((_, at) => WHOLE || (at + n + (open ? 1 : 0)) % 2 === 0);
      await matrix.all(character, uses);
      expect(matrix.wrong).toEqual([]);
    },
  );

  it('would notice: a reader who is taken for the administrator differs from the oracle everywhere', async () => {
    const matrix = new OciMatrix(cast, open, 'two');
    await matrix.all(mistakenReader(cast));
    const ids = new Set(matrix.wrong.map((line) => /^[^:]+: (.+?), (?:[A-Z]+|H8: HEAD|Range|conditional), /.exec(line)?.[1]));
    const changing = Object.entries(NEEDS).filter(
      ([, need]) => /^to (?:push|move|delete)/.test(need) && !/own upload/.test(need),
    );
    expect([...ids].filter((id) => id !== undefined).sort()).toEqual(expect.arrayContaining(changing.map(([id]) => id).sort()));
  });

  it('oci 16, O8: a mount from where the caller may not read is an upload, as from where nothing is', async () => {
    const adder = cast.characters.find(({ name }) => name === 'a robot that may only add');
    const name = await cast.fresh('public');
    const mount = (digest: string, from: string) =>
      cast.house.ask('POST', `/v2/${name}/blobs/uploads/?mount=${digest}&from=${from}`, {
        headers: { ...adder?.headers, 'content-length': '0' },
        body: Buffer.alloc(0),
      });
    const told = [];
    for (const [digest, from] of [
      [digestOf(SHARED), 'acme/source'],
      [digestOf('nothing'), 'acme/source'],
      [digestOf(SHARED), 'acme/absent'],
    ] as const) {
      const { status, headers, text } = await mount(digest, from);
      expect(status).toBe(202);
      expect(
        (await cast.house.ask('HEAD', `/v2/${name}/blobs/${digest}`, { headers: cast.characters.at(-1)?.headers ?? {} })).status,
      ).toBe(404);
      const id = headers['docker-upload-uuid'] ?? '-';
      const { date: _, ...others } = headers;
      told.push(JSON.stringify([status, others, text]).replaceAll(id, '***'));
    }
    expect(new Set(told).size).toBe(1);
  });

  it("O5: another's upload is like one that never was, to everybody", async () => {
    const name = await cast.fresh('public');
    const other = await cast.fresh('public');
    const id = await cast.upload(name);
    const asked = async (method: string, at: string, upload: string, headers: Readonly<Record<string, string>>) => {
      const answer = await cast.house.ask(method, `/v2/${at}/blobs/uploads/${upload}?digest=${digestOf('x')}`, {
        headers: { ...headers, ...(method === 'GET' || method === 'DELETE' ? {} : { 'content-length': '1' }) },
        ...(method === 'GET' || method === 'DELETE' ? {} : { body: Buffer.from('x') }),
      });
      const { date: _, ...others } = answer.headers;
      return JSON.stringify([answer.status, others, answer.text]).replaceAll(upload, '***');
    };
    // nor is the owner's own upload one of another repository
    for (const { headers, who } of cast.characters)
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE'])
        for (const at of who.uploads && who.credentials === 'good' ? [other] : [name, other])
          expect(await asked(method, at, id, headers)).toBe(await asked(method, at, 'a'.repeat(26), headers));
    const owner = cast.characters.at(-2)?.headers ?? {};
    expect(await asked('GET', name, id, owner)).toMatch(/^\[204/);
  });

  it('O11: lists hold what the caller may read, and their pages tell nothing of the rest', async () => {
    const listed = async (headers: Readonly<Record<string, string>>, query: string) => {
      const { status, text, headers: told } = await cast.house.ask('GET', `/v2/_catalog${query}`, { headers });
      return {
        status,
        names: status === 200 ? (JSON.parse(text) as { repositories: string[] }).repositories : [],
        link: told['link'],
      };
    };
    const robot = cast.characters.find(({ name }) => name === 'a robot that may pull one repository')?.headers ?? {};
    const chief = cast.characters.at(-1)?.headers ?? {};
    expect((await listed(chief, '')).names).toEqual(expect.arrayContaining(['acme/closed', 'acme/public']));
    for (const query of ['', '?n=1', '?n=1&last=acme/b'])
      expect(await listed(robot, query)).toEqual({ status: 200, names: ['acme/public'], link: undefined });
    expect((await listed(robot, '?last=acme/public')).names).toEqual([]);
    const nobody = await listed({}, '?n=1000');
    expect(nobody.status).toBe(open ? 200 : 401);
    expect(nobody.names).not.toContain('acme/closed');
    if (open) expect(nobody.names).toContain('acme/public');
  });
});

afterAll(() => {
  console.log(
    `OCI authorisation: ${summary()}${WHOLE ? '' : '; each caller asks every other question, in few spellings: REQUIRE_CLIENTS=1 asks in all'}`,
  );
});
