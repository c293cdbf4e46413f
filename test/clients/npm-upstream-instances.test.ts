import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacksVersitygw } from '../servers/binaries.js';
import { FAMILY, type FamilyClient } from './family-clients.js';
import { loaded, Machine } from './family-machine.js';
import { worked } from './processes.js';
import { clientProgram, lacks } from './programs.js';
import { ask, requestsDuring, stock } from './scenario/rig.js';
import type { RequestLine } from './server.js';
import { ONE_PROCESS, type Site, storedBelow, TWO_INSTANCES, through } from './setups.js';

// One process serves what another registry has in each client's own test; here two over one bucket do, whose requests come in turn.
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick)
  console.log('skipped: clients through an upstream at two instances over one bucket take minutes; REQUIRE_CLIENTS=1 runs them');

const CLIENTS = FAMILY.filter(({ program }) => quick || !lacks(program, clientProgram(program)));
const ROUNDS = 12;
/** A start of the command line costs more than all that is looked at. */
const LOOKED_AT = 3;

describe.skipIf(quick || lacksVersitygw('1.8.0'))('npm 38: an upstream behind two instances', { timeout: 240_000 }, () => {
  let [origin, site]: Site[] = [];
  const machines: Machine[] = [];
  const at = (one: Site | undefined): Site => {
    if (!one) throw new Error('the registries did not start');
    return one;
  };
  const namesOf = ({ program }: FamilyClient) => ({ top: `@team/top-${program}`, leaf: `leaf-${program}` });
  /** Reads of what was published for the tests: some clients also ask whether there is a newer one of themselves. */
  const own = (lines: readonly RequestLine[]): readonly RequestLine[] =>
    lines.filter(({ method, path }) => method === 'GET' && /(?:top|leaf)-/.test(path));

  beforeAll(async () => {
    origin = await ONE_PROCESS.start();
    // documents are asked for each time
    site = await through(origin, { cache: { ttlSeconds: 0 } }, TWO_INSTANCES);
    for (const client of CLIENTS) {
      const { top, leaf } = namesOf(client);
      await stock(origin, { name: leaf }, ['1.0.0']);
      await stock(origin, { name: top, dependencies: { [leaf]: '^1.0.0' } }, ['1.2.3']);
    }
  }, 240_000);
  afterAll(async () => {
    for (const { sandbox } of machines) sandbox.remove();
    await site?.stop();
    await origin?.stop();
  });

  /** Into an empty project from an empty cache. */
  async function installs(client: FamilyClient): Promise<void> {
    const { top, leaf } = namesOf(client);
    const by = new Machine(at(site), client);
    machines.push(by);
    expect(await loaded(by, await by.install({ [top]: '^1.0.0' }), top, leaf)).toEqual([`${top}@1.2.3`, `${leaf}@1.0.0`]);
  }

  describe.each(CLIENTS)('$program', (client) => {
    it('installs from an empty cache, and every file leaves the upstream once', async () => {
      let here: readonly RequestLine[] = [];
      const there = own(
        await requestsDuring(at(origin), async () => {
          here = own(await requestsDuring(at(site), () => installs(client)));
        }),
      );
      expect(new Set(here.map(({ status }) => status))).toEqual(new Set([200]));
      expect(new Set(here.map(({ server }) => server))).toEqual(new Set([0, 1]));
      const files = there.filter(({ path }) => path.endsWith('.tgz'));
      expect(files.map(({ status }) => status)).toEqual([200, 200]);
      expect(there.filter(({ status }) => status !== 200 && status !== 304)).toEqual([]);
    });

    it('installs anew, and the upstream says 304 alone, whichever instance asks', async () => {
      for (let turn = 0; turn < 2; turn++) {
        const there = own(await requestsDuring(at(origin), () => installs(client)));
        expect(new Set(there.map(({ status }) => status))).toEqual(new Set([304]));
      }
    });
  });

  /** Both instances are asked for the same at the same moment. */
  const bothAsked = async (path: string): Promise<readonly Buffer[]> => {
    const { servers, adminToken } = at(site);
    const headers = { authorization: `Bearer ${adminToken}`, host: new URL(at(site).registry).host };
    const answers = await Promise.all(servers.map(({ url }) => fetch(`${url}/npm/${path}`, { headers })));
    expect(
      answers.map(({ status }) => status),
      path,
    ).toEqual(servers.map(() => 200));
    return Promise.all(answers.map(async (answer) => Buffer.from(await answer.arrayBuffer())));
  };

  it('X11: the same new document and file, wanted of both at the same moment: the same bytes, one request each, nothing left over', async () => {
    const sha512 = (bytes: Buffer): string => `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    for (let round = 0; round < ROUNDS; round++) {
      const name = `both-${round}`;
      await stock(at(origin), { name }, ['1.0.0']);
      const there = await requestsDuring(at(origin), async () => {
        const documents = await bothAsked(name);
        const [one, two] = documents.map((bytes) => JSON.parse(bytes.toString('utf8')).versions['1.0.0'].dist.integrity);
        expect(one).toBe(two);
        const files = await bothAsked(`${name}/-/${name}-1.0.0.tgz`);
        expect(files.map(sha512)).toEqual([one, one]);
      });
      const asked = there.filter(({ path }) => path.endsWith('.tgz'));
      expect(asked.length).toBeGreaterThanOrEqual(1);
      expect(asked.length).toBeLessThanOrEqual(2);
      // and once they are kept, nobody asks for the file
      const later = await requestsDuring(at(origin), () => bothAsked(`${name}/-/${name}-1.0.0.tgz`));
      expect(later.filter(({ path }) => path.endsWith('.tgz'))).toEqual([]);
      // what was seen is written down once, whoever was first
      if (round >= LOOKED_AT) continue;
      const history = worked(await at(site).command(['history', 'npm', name, '--json']))
        .out.trim()
        .split('\n');
      expect(history.filter((line) => line.includes('"type":"shown"'))).toHaveLength(1);
    }
  });

  it('collections beside fetches and reads take nothing that is named', async () => {
    const names = Array.from({ length: 8 }, (_, round) => `swept-${round}`);
    for (const name of names) await stock(at(origin), { name }, ['1.0.0']);
    let over = false;
    const collections = (async () => {
      for (let turn = 0; turn < 20 && !over; turn++) worked(await at(site).command(['gc']));
    })();
    try {
      for (const name of names)
        for (let turn = 0; turn < 2; turn++) {
          await bothAsked(name);
          await bothAsked(`${name}/-/${name}-1.0.0.tgz`);
        }
    } finally {
      over = true;
      await collections;
    }
    const there = await requestsDuring(at(origin), async () => {
      for (const name of names) await bothAsked(`${name}/-/${name}-1.0.0.tgz`);
    });
    expect(there.filter(({ path }) => path.endsWith('.tgz'))).toEqual([]);
  });

  it('a name that one instance has just served from the upstream is published at the other: ours at both from then on', async () => {
    const [one, two] = at(site).servers;
    if (!one || !two) throw new Error('there are two');
    const put = async (name: string): Promise<void> => {
      const publishing = { ...at(site), registry: `${two.url}/npm/` };
      await stock(publishing, { name }, ['9.0.0']);
    };
    for (let round = 0; round < 4; round++) {
      const name = `taken-${round}`;
      await stock(at(origin), { name }, ['1.0.0']);
      const path = `${name}/-/${name}-1.0.0.tgz`;
      expect((await ask({ ...at(site), registry: `${one.url}/npm/` }, path)).status).toBe(200);
      await put(name);
      const there = await requestsDuring(at(origin), async () => {
        for (const { url } of [one, two]) {
          const here = { ...at(site), registry: `${url}/npm/` };
          const { versions } = (await (await ask(here, name)).json()) as { versions: object };
          expect(Object.keys(versions)).toEqual(['9.0.0']);
          expect((await ask(here, path)).status).toBe(404);
          expect((await ask(here, `${name}/-/${name}-9.0.0.tgz`)).status).toBe(200);
        }
      });
      expect(there).toEqual([]);
    }
  });

  it('every client installs when the upstream is gone, and what is stored is whole', async () => {
    await at(origin).stop();
    const asked = await requestsDuring(at(site), async () => {
      for (const client of CLIENTS) await installs(client);
    });
    expect(own(asked).filter(({ status }) => status >= 400)).toEqual([]);
    const verified = worked(await at(site).command(['verify', '--json']))
      .out.trim()
      .split('\n');
    expect(verified.map((line) => JSON.parse(line))).toEqual([expect.objectContaining({ problems: 0 })]);
    const heads = storedBelow(at(site), 'cache').filter((file) => file.endsWith('.json'));
    expect(heads.length).toBeGreaterThanOrEqual(4 * CLIENTS.length);
  });
});
