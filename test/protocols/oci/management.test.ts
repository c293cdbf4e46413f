import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LayeredMap } from '../../../ts/lib/layered-map.js';
import { emptyState } from '../../../ts/protocols/oci/fold.js';
import { ociLifeCycle } from '../../../ts/protocols/oci/management.js';
import type { Manifest, OciState } from '../../../ts/protocols/oci/state.js';

const digestOf = (n: number): string => `sha256:${n.toString(16).padStart(64, '0')}`;
const manifest = { size: 500, at: 1, by: 'somebody' } as Manifest;

/** `tags[n]` names a manifest, by its place. */
function stateOf(count: number, tags: readonly number[]): OciState {
  return {
    ...emptyState('team/app'),
    manifests: LayeredMap.of(Array.from({ length: count }, (_, n) => [digestOf(n), manifest])),
    tags: LayeredMap.of(tags.map((n, at) => [`v${at}`, digestOf(n % count)])),
  };
}

it('a page of versions is what a cut out of all of them would be, whatever it begins with', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.nat(11), { maxLength: 20 }),
      fc.integer({ min: 1, max: 9 }),
      (count, tags, limit) => {
        const state = stateOf(count, tags);
        const tagsOf = (digest: string) => [...state.tags].filter(([, target]) => target === digest).map(([tag]) => tag);
        const all = [...state.manifests.keys()].flatMap((digest) => [...tagsOf(digest), digest]);
        for (const before of [undefined, ...all]) {
          const end = before === undefined ? all.length : all.indexOf(before);
          const page = ociLifeCycle.newest(state, limit, before);
          const names = page?.versions.map(({ version }) => version);
          expect({ ...page, versions: names }).toEqual({
            versions: all.slice(Math.max(0, end - limit), end),
            more: end > limit,
            total: all.length,
          });
          for (const { version, tags: own } of page?.versions ?? [])
            expect(own).toEqual(state.tags.has(version) ? [version] : tagsOf(version));
        }
        expect([...ociLifeCycle.units(state)].sort()).toEqual(all.toSorted());
        expect([...all, 'v99'].filter((name) => !ociLifeCycle.has(state, name))).toEqual(['v99']);
        expect(ociLifeCycle.newest(state, limit, 'v99')).toBeUndefined();
      },
    ),
    { numRuns: 200, seed: 7 },
  );
});

it('a page of versions looks at no manifest that is not on it', () => {
  let looks = 0;
  const state = stateOf(
    1_000,
    Array.from({ length: 1_000 }, (_, n) => n),
  );
  const manifests = new Proxy(state.manifests, {
    get(target, name) {
      if (name === 'entries' || name === Symbol.iterator || name === 'values') throw new Error('all of them were read');
      if (name === 'get') looks += 1;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  expect(ociLifeCycle.newest({ ...state, manifests }, 100, undefined)?.versions).toHaveLength(100);
  expect(looks).toBeLessThan(110);
});
