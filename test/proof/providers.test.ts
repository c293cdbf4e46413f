import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, documentOf } from './documents.js';
import { openHouse } from './house.js';
import { Matrix, NPM, type Stage, summary } from './matrix.js';
import { NEEDS, type Standing } from './oracle.js';
import { CASES, hurried, obedient, type Part } from './provider-cases.js';
import { SPELLINGS, USES } from './requests.js';

/** Who spells how has nothing to do with how a provider fails: everything with everything only where there is time. */
const LONG = process.env['REQUIRE_CLIENTS'] === '1';
if (!LONG)
  console.log(
    'shortened: providers that fail are asked in one spelling, and with anonymous reading only; REQUIRE_CLIENTS=1 asks all',
  );
const manySpellings = (title: string): boolean => !title.startsWith('hangs') && (LONG || title === 'obeys' || title === 'denies');

describe.each([false, true])('A15: a provider of the application, anonymous reading: %s', (open) => {
  let stage: Stage & { close(): Promise<void> };
  let part: Part = {};

  beforeAll(async () => {
    const provider = obedient(() => part);
    const house = await openHouse({ anonymousRead: open, authProvider: provider, runtime: hurried });
    const obeying = async <T>(work: () => Promise<T>): Promise<T> => {
      const before = part;
      part = {};
      try {
        return await work();
      } finally {
        part = before;
      }
    };
    const must = async (expected: number, method: string, path: string, body?: unknown): Promise<void> => {
      const answer = await house.ask(method, path, { token: 'good', body });
      if (answer.status !== expected) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    };
    const revision: Stage['revision'] = (name) =>
      obeying(async () => {
        const { status, text } = await house.ask('GET', `${at(name)}?write=true`, { token: 'good' });
        return status === 200 ? (JSON.parse(text) as { _rev: string })._rev : '1-none';
      });
    const put = (name: string, standing: Standing): Promise<string> =>
      obeying(async () => {
        if (standing === 'absent') return name;
        const access = standing === 'restricted' ? 'restricted' : 'public';
        await must(201, 'PUT', at(name), documentOf({ name, version: '1.0.0', access }));
        await must(201, 'PUT', at(name), documentOf({ name, version: '1.1.0', tag: 'next' }));
        if (standing === 'deleted') await must(200, 'DELETE', `${at(name)}/-rev/${await revision(name)}`);
        return name;
      });
    let count = 0;
    stage = {
      house,
      packages: {
        absent: '@acme/absent',
        public: await put('@acme/public', 'public'),
        restricted: await put('@acme/closed', 'restricted'),
        deleted: await put('@acme/hollow', 'deleted'),
      },
      fresh: (standing) => {
        count += 1;
        return put(`@acme/f${String(count).padStart(5, '0')}`, standing);
      },
      revision,
      close: () => house.close(),
    };
  });
  afterAll(() => stage.close());

  const cases = CASES.filter(({ title }) => LONG || open || title === 'obeys' || title === 'denies');
  it.each(cases)(
    'one that $title opens nothing that it should not',
    { timeout: 120_000 },
    async ({ title, part: chosen, who }) => {
      const uses = USES.filter(({ id }) => !/account|organisation|star|owners/.test(`${NEEDS[id]} ${id}`));
      const spellings = SPELLINGS.slice(0, manySpellings(title) ? 4 : 1);
      const matrix = new Matrix(stage, open, { ...NPM, uses, spellings });
      part = chosen;
      await matrix.all({ name: 'zoe', who, headers: { authorization: 'Bearer good' } });
      part = {};
      expect(matrix.wrong).toEqual([]);
      const told = stage.house.faults.splice(0);
      for (const { where } of told) expect(where).toMatch(/^auth provider/);
      expect(told.length > 0).toBe(/throws|rejects|hangs|says|names|scopes/.test(title));
    },
  );
});

afterAll(() => {
  console.log(`providers: ${summary()}`);
});
