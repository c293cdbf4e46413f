import { afterEach, expect, it, vi } from 'vitest';
import { LayeredMap } from '../../../ts/lib/layered-map.js';
import type { Change, EntryInfo } from '../../../ts/log/schema.js';
import { ociSchema } from '../../../ts/protocols/oci/fold.js';
import type { OciState } from '../../../ts/protocols/oci/state.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const digestOf = (n: number): string => `sha256:${n.toString(16).padStart(64, '0')}`;

/** Manifests `from` to below `to`; tags on those below `tagged`. */
function stateOf(count: number, tagged: number): { state: OciState; apply(change: object): void } {
  const folded = {
    state: ociSchema.initial('team/app'),
    n: 0,
    apply(change: object): void {
      const entry = { n: folded.n++, id: 'x', at: 1 } as unknown as EntryInfo;
      folded.state = ociSchema.apply(folded.state, { at: 1, by: 'ann', ...change } as unknown as Change, entry);
    },
  };
  const manifest = { key: 'k', size: 1, sha256: '0', mediaType: 'm', blobs: [], children: [] };
  for (let n = 0; n < count; n++) folded.apply({ type: 'manifest', digest: digestOf(n), ...manifest });
  for (let n = 0; n < tagged; n++) folded.apply({ type: 'tag', tag: `t${n}`, digest: digestOf(n) });
  return folded;
}

it('R1: that manifests without tag go costs no look through the tags for each', () => {
  const folded = stateOf(400, 200);
  const looks = vi.spyOn(LayeredMap.prototype, Symbol.iterator);
  const values = vi.spyOn(LayeredMap.prototype, 'values');
  for (let n = 200; n < 400; n++) folded.apply({ type: 'unmanifest', digest: digestOf(n) });
  expect(looks.mock.contexts.concat(values.mock.contexts).filter((map) => map === folded.state.tags)).toEqual([]);
  expect([folded.state.manifests.size, folded.state.tags.size]).toEqual([200, 200]);
});

it('a manifest takes all its tags along, also one that it was given a moment ago', () => {
  const folded = stateOf(4, 2);
  folded.apply({ type: 'unmanifest', digest: digestOf(3) });
  for (const tag of ['a', 'b']) folded.apply({ type: 'tag', tag, digest: digestOf(2) });
  folded.apply({ type: 'tag', tag: 't0', digest: digestOf(2) });
  folded.apply({ type: 'unmanifest', digest: digestOf(2) });
  expect([...folded.state.tags]).toEqual([['t1', digestOf(1)]]);
  const { weight } = stateOf(4, 2).state;
  const bare = stateOf(2, 0);
  bare.apply({ type: 'tag', tag: 't1', digest: digestOf(1) });
  expect(folded.state.weight).toBe(bare.state.weight);
  expect(weight).toBeGreaterThan(folded.state.weight);
});
