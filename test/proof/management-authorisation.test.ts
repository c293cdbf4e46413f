import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { House as ServedHouse } from '../../ts/server/house.js';
import { type HouseFacts, houseRoutes } from '../../ts/server/house-routes.js';
import { managementOf } from '../../ts/server/management.js';
import { type Cast, mistakenReader, openCast } from './cast.js';
import { type Asked, answerOf } from './house.js';
import { IMAGES, PACKAGES } from './management-uses.js';
import { type Asking, counts, Matrix, type Oracle, type Stage, summary, type Whoever } from './matrix.js';
import { openOciCast } from './oci-cast.js';
import { type Who as ImagesWho, type ManagementNeed, managementVerdict } from './oci-oracle.js';
import { verdict, type Who } from './oracle.js';
import { SPELLINGS, type Use } from './requests.js';

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
const SHARE = 8;
if (!WHOLE) console.log(`shortened: the management surface is asked one spelling in ${SHARE}; REQUIRE_CLIENTS=1 asks all`);
/** A name in these paths is one segment: its slash is always an escape. The house's own words are not looked for behind escapes. */
const ONE_SEGMENT = SPELLINGS.filter(({ title }) => title !== 'N16: a slash').map((spelling) =>
  spelling.title.startsWith('N8') ? { ...spelling, loose: true } : spelling,
);

type House = Cast['house'];

const factsOf = (house: House): HouseFacts => ({
  registry: house.registry.parts,
  serving: () => true,
  metrics: async () => '',
  rootTaken: false,
});

/** The registry as the stand-alone server answers for it. */
const served = (house: House): Promise<ServedHouse> => ServedHouse.open({ ...factsOf(house), rest: house.registry });

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

interface Troupe<W extends Whoever> {
  readonly house: House;
  readonly characters: readonly Asking<W>[];
  readonly stage: Stage;
}

interface Kind<W extends Whoever> {
  readonly title: string;
  readonly callers: number;
  readonly uses: readonly Use[];
  readonly oracle: Oracle<W, ManagementNeed>;
  open(anonymousRead: boolean): Promise<Troupe<W>>;
}

const ofPackages: Kind<Who> = {
  title: 'packages of npm',
  callers: 13,
  uses: PACKAGES.uses,
  oracle: { needs: PACKAGES.needs, verdict },
  open: async (anonymousRead) => {
    const cast = await openCast(anonymousRead);
    return { ...cast, stage: cast };
  },
};

const ofImages: Kind<ImagesWho> = {
  title: 'images',
  callers: 17,
  uses: IMAGES.uses,
  oracle: { needs: IMAGES.needs, verdict: managementVerdict },
  open: async (anonymousRead) => {
    const cast = await openOciCast(anonymousRead);
    return { ...cast, stage: { ...cast, packages: cast.repositories, revision: async () => '' } };
  },
};

function matrixOf<W extends Whoever>({ title, callers, uses, oracle, open: opened }: Kind<W>, open: boolean): void {
  describe(`Z1: the authorisation matrix of the management surface over ${title}, anonymous reading: ${open}`, {
    timeout: 240_000,
  }, () => {
    let troupe: Troupe<W>;
    let house: ServedHouse;
    let before = counts;
    beforeAll(async () => {
      before = { ...counts };
      troupe = await opened(open);
      house = await served(troupe.house);
    });
    afterAll(async () => {
      expect(troupe.house.faults).toEqual([]);
      await troupe.house.close();
      console.log(`management authorisation over ${title}, anonymous reading ${open}: ${summary(before)}`);
    });
    const over = (spellings: typeof SPELLINGS): Matrix<W, ManagementNeed> => {
      const own = { ...troupe.house, ask: (method: string, path: string, asked?: Asked) => ask(house, method, path, asked) };
      return new Matrix({ ...troupe.stage, house: own }, open, { uses, oracle, spellings });
    };

    it('knows every route of the surface, and no other', async () => {
      const { repositories, auth } = troupe.house.registry.parts;
      const managed = (await Promise.all(repositories.map((one) => managementOf(one, auth.accounts)))).flatMap(
        ({ routes }) => routes,
      );
      const routes = [...houseRoutes(factsOf(troupe.house)).routes, ...managed];
      expect(routes.map(({ id }) => id).sort()).toEqual(uses.map(({ id }) => id).sort());
      expect(troupe.characters).toHaveLength(callers);
    });

    it.each(Array.from({ length: callers }, (_, n) => n))('decides for caller %i as the oracle does', async (n) => {
      const character = troupe.characters[n];
      if (!character) throw new Error(`there is no caller ${n}`);
      // by hand every caller spells in some of the ways, its neighbours in the others
      const matrix = over(ONE_SEGMENT.filter((_, at) => WHOLE || at % SHARE === n % SHARE));
      await matrix.all(character);
      expect(matrix.wrong).toEqual([]);
    });

    it('would notice: a reader who is taken for the administrator differs from the oracle everywhere', async () => {
      const matrix = over(SPELLINGS.slice(0, 1));
      await matrix.all(mistakenReader(troupe));
      const ids = new Set(matrix.wrong.map((line) => /^[^:]+: ([^,]+),/.exec(line)?.[1]));
      const needing = Object.entries(oracle.needs).filter(([, need]) =>
        /^to (?:change|delete|administer|look|read what)/.test(need),
      );
      expect([...ids].sort()).toEqual(needing.map(([id]) => id).sort());
    });
  });
}

for (const open of [false, true]) {
  matrixOf(ofPackages, open);
  matrixOf(ofImages, open);
}

if (!WHOLE) console.log('management authorisation: a quarter of the spellings; REQUIRE_CLIENTS=1 asks in all');
