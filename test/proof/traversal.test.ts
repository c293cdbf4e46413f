import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageKey } from '../../ts/storage/key.js';
import { SPELLED } from '../fuzz/spellings.js';
import { documentOf } from './documents.js';
import { type House, lasting, openHouse } from './house.js';

/** What one package owns in the store, and what all share. */
const SHARED =
  /^(?:feed\/(?:npm|~users)(?:\/|$)|pending\/(?:npm|~users)(?:\/|$)|derived\/(?:feed|checkpoint|probe)\/|keys\/|log\/~users\/|entrepot\.json$)/;
const PACKAGES = /^(?:log|objects)\/npm\/([a-z0-9-]+)\//;

let decisions = 0;
afterAll(() => console.log(`traversal: ${decisions} requests`));

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
if (!WHOLE)
  console.log('shortened: each parameter in a third of the spellings, on a folder; REQUIRE_CLIENTS=1 tries all, in memory too');

describe.each(WHOLE ? (['memory', 'folder'] as const) : (['folder'] as const))('N1: ways out of a folder, on %s', (place) => {
  let house: House;
  let token: string;
  beforeAll(async () => {
    house = await openHouse({ place });
    ({ token } = await house.user('ann', true));
    for (const name of ['x', 'y', 'sound'])
      expect((await house.ask('PUT', `/${name}`, { token, body: documentOf({ name, version: '1.0.0' }) })).status).toBe(201);
  });
  afterAll(async () => {
    expect(house.faults).toEqual([]);
    await house.close();
  });

  /** The names that a spelling could honestly mean: nothing else may be looked at. */
  const meant = (spelling: string, path: string): ReadonlySet<string> => {
    const names = new Set(['x', 'y', 'sound']);
    for (const part of [spelling, ...path.split('/'), path.split('/').slice(1, 3).join('/')]) {
      try {
        const name = decodeURIComponent(part);
        names
          .add(name)
          .add(name.replace(/@[^@/]*$/, ''))
          .add(name.replace(/\/.*$/, ''));
      } catch {
        // What cannot be decoded means nothing.
      }
    }
    return new Set([...names].map(packageKey));
  };

  it('no parameter of any route reaches a key of another package, or anything but 4xx and an honest answer', async () => {
    const routes = house.registry.parts.repositories[0]?.site.instance.routes ?? [];
    const holes = routes.flatMap((route) => route.names.map((name) => ({ route, name })));
    expect(holes.length).toBeGreaterThan(30);
    const good: Readonly<Record<string, string>> = {
      name: 'sound',
      file: 'sound-1.0.0.tgz',
      rev: '1-x',
      tag: 'next',
      selector: 'latest',
      user: 'ann',
      token: 'junk',
      session: 'junk',
      spec: 'sound@1.0.0',
    };
    const wrong: string[] = [];
    for (const [hole, { route, name }] of holes.entries()) {
      for (const spelling of SPELLED.filter((_, at) => WHOLE || at % 3 === hole % 3)) {
        decisions += 1;
        const path = route.path.replace(/\{(\w+)\}/g, (_, one: string) => (one === name ? spelling : (good[one] ?? 'x')));
        house.calls.forget();
        const body = route.method === 'PUT' && route.id === 'publish' ? documentOf({ name: 'x', version: '9.9.9' }) : undefined;
        const answer = await house.ask(route.method, path, { token, ...(body ? { body } : {}) });
        const where = `${route.id} {${name}} = ${spelling.slice(0, 40)}`;
        if (answer.status >= 500) wrong.push(`${where}: ${answer.status} ${answer.text}`);
        const allowed = meant(spelling, path);
        for (const { key } of house.calls.all) {
          const owner = PACKAGES.exec(`${key}/`)?.[1];
          if (owner === undefined ? !SHARED.test(key) : !allowed.has(owner)) wrong.push(`${where}: ${key}`);
        }
        if (/root:|"format"/.test(answer.text)) wrong.push(`${where}: somebody else's file`);
      }
    }
    expect(wrong).toEqual([]);
    const kept = lasting(await house.keys()).filter((key) => /^(?:log|objects)\/npm/.test(key));
    expect(kept.every((key) => /^(?:log|objects)\/npm\/(?:x|y|sound)-/.test(key))).toBe(true);
  });

  it('N1: a mount cannot be left either', async () => {
    for (const spelling of SPELLED) {
      for (const path of [`/${spelling}/npm/sound`, `/${spelling}/../npm/sound`, `/../${spelling}/sound`]) {
        const answer = await house.ask('GET', path, { token });
        expect(answer.status, path).toBeGreaterThanOrEqual(400);
        expect(answer.status, path).toBeLessThan(500);
      }
    }
  });
});
