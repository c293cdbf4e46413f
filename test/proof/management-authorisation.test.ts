import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { House as ServedHouse } from '../../ts/server/house.js';
import { type HouseFacts, houseRoutes } from '../../ts/server/house-routes.js';
import { managementOf } from '../../ts/server/management.js';
import { type Cast, mistakenReader, openCast } from './cast.js';
import { type Asked, answerOf } from './house.js';
import { MANAGEMENT_NEEDS, MANAGEMENT_USES } from './management-uses.js';
import { Matrix, summary } from './matrix.js';
import { SPELLINGS } from './requests.js';

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
const CHARACTERS = 13;
/** A name in these paths is one segment: its slash is always an escape. The house's own words are not looked for behind escapes. */
const ONE_SEGMENT = SPELLINGS.filter(({ title }) => title !== 'N16: a slash').map((spelling) =>
  spelling.title.startsWith('N8') ? { ...spelling, loose: true } : spelling,
);

const factsOf = ({ house }: Cast): HouseFacts => ({
  registry: house.registry.parts,
  serving: () => true,
  metrics: async () => '',
  rootTaken: false,
});

/** The registry as the stand-alone server answers for it. */
const served = (cast: Cast): ServedHouse => new ServedHouse({ ...factsOf(cast), rest: cast.house.registry });

async function ask(house: ServedHouse, method: string, path: string, { headers = {}, body }: Asked = {}) {
  const {
    status,
    headers: told,
    body: content,
  } = await house.handle({
    method,
    path: path.split('?')[0] ?? '',
    rawUrl: path,
    headers: { host: 'registry.example', ...headers },
    query: {},
    ...(body === undefined ? {} : { body: body as Uint8Array }),
    peer: { address: '192.0.2.7', encrypted: false },
  });
  const stream = content instanceof Uint8Array ? new Blob([content as BlobPart]).stream() : content;
  return answerOf({ status, headers: told, ...(stream ? { body: stream } : {}) });
}

describe.each([false, true])(
  'Z1: the authorisation matrix of the management surface, anonymous reading: %s',
  { timeout: 240_000 },
  (open) => {
    let cast: Cast;
    let house: ServedHouse;
    beforeAll(async () => {
      cast = await openCast(open);
      house = served(cast);
    });
    afterAll(async () => {
      expect(cast.house.faults).toEqual([]);
      await cast.close();
    });
    const matrixOf = (spellings: typeof SPELLINGS): Matrix => {
      const own = { ...cast.house, ask: (method: string, path: string, asked?: Asked) => ask(house, method, path, asked) };
      return new Matrix({ ...cast, house: own }, open, { uses: MANAGEMENT_USES, needs: MANAGEMENT_NEEDS, spellings });
    };

    it('knows every route of the surface, and no other', () => {
      const { repositories, auth } = cast.house.registry.parts;
      const managed = repositories.flatMap((repository) => managementOf(repository, auth.accounts).routes);
      const routes = [...houseRoutes(factsOf(cast)).routes, ...managed];
      expect(routes.map(({ id }) => id).sort()).toEqual(MANAGEMENT_USES.map(({ id }) => id).sort());
      expect(cast.characters).toHaveLength(CHARACTERS);
    });

    it.each(Array.from({ length: CHARACTERS }, (_, n) => n))('decides for caller %i as the oracle does', async (n) => {
      const character = cast.characters[n];
      if (!character) throw new Error(`there is no caller ${n}`);
      // by hand every caller spells in half of the ways, its neighbour in the others
      const matrix = matrixOf(ONE_SEGMENT.filter((_, at) => WHOLE || at % 2 === n % 2));
      await matrix.all(character);
      expect(matrix.wrong).toEqual([]);
    });

    it('would notice: a reader who is taken for the administrator differs from the oracle everywhere', async () => {
      const matrix = matrixOf(SPELLINGS.slice(0, 1));
      await matrix.all(mistakenReader(cast));
      const ids = new Set(matrix.wrong.map((line) => /^[^:]+: ([^,]+),/.exec(line)?.[1]));
      const needing = Object.entries(MANAGEMENT_NEEDS).filter(([, need]) =>
        /^to (?:change|delete|administer|look|read what)/.test(need),
      );
      expect([...ids].sort()).toEqual(needing.map(([id]) => id).sort());
    });
  },
);

afterAll(() => {
  console.log(`management authorisation: ${summary()}${WHOLE ? '' : '; half of the spellings: REQUIRE_CLIENTS=1 asks in all'}`);
});
