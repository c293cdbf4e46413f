import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cast, mistakenReader, openCast } from './cast.js';
import { Matrix, NPM, summary } from './matrix.js';
import { NEEDS } from './oracle.js';
import { SPELLINGS, strangers, USES } from './requests.js';

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';

describe.each([false, true])('Z1: the authorisation matrix, anonymous reading: %s', { timeout: 120_000 }, (open) => {
  let cast: Cast;
  beforeAll(async () => {
    cast = await openCast(open);
  });
  afterAll(async () => {
    expect(cast.house.faults).toEqual([]);
    await cast.close();
  });

  it('knows every route of the table, and no other', () => {
    const [repository] = cast.house.registry.parts.repositories;
    const routes = repository?.site.instance.routes ?? [];
    expect(routes.length).toBeGreaterThan(30);
    expect(strangers(routes)).toEqual([]);
    expect(USES.map(({ id }) => id).sort()).toEqual(Object.keys(NEEDS).sort());
  });

  it.each(Array.from({ length: 13 }, (_, n) => n))('decides for caller %i as the oracle does', async (n) => {
    const character = cast.characters[n];
    if (!character) throw new Error(`there is no caller ${n}`);
    // by hand every caller spells in a sixteenth of the ways, its neighbours in the others
    const spellings = SPELLINGS.filter((_, at) => WHOLE || at % 16 === (n + (open ? 8 : 0)) % 16);
    const matrix = new Matrix(cast, open, { ...NPM, spellings });
    await matrix.all(character);
    expect(matrix.wrong).toEqual([]);
  });

  it('would notice: a reader who is taken for the administrator differs from the oracle everywhere', async () => {
    const plain = SPELLINGS.slice(0, 1);
    const matrix = new Matrix(cast, open, { ...NPM, spellings: plain });
    await matrix.all(mistakenReader(cast));
    const ids = new Set(matrix.wrong.map((line) => /^[^:]+: ([^,]+),/.exec(line)?.[1]));
    const needing = Object.entries(NEEDS).filter(([, need]) => /^to (?:publish|change|delete|administer|look)/.test(need));
    expect([...ids].sort()).toEqual(needing.map(([id]) => id).sort());
  });

  it('has a test for every caller', () => {
    expect(cast.characters).toHaveLength(13);
  });
});

afterAll(() => {
  console.log(`authorisation: ${summary()}${WHOLE ? '' : '; a sixteenth of the spellings: REQUIRE_CLIENTS=1 asks in all'}`);
});
