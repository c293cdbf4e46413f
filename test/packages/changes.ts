import fc from 'fast-check';
import { sha256Hex } from '../../ts/lib/digest.js';
import type { Change, LogSchema, NewChange } from '../../ts/log/schema.js';
import * as change from '../../ts/packages/changes.js';
import type { PackageState } from '../../ts/packages/state.js';

export const at = (made: NewChange, time: number): Change => JSON.parse(JSON.stringify({ ...made, at: time })) as Change;

export const fileNamed = (name: string, time = 1_700_000_000_000): change.NewFile => ({
  name,
  size: name.length,
  digests: { sha256: sha256Hex(name) },
  key: `objects/plain/p/${time}-${name}`,
});

/** Folds entries of changes from a state on; entry `n` has time `1000 + n` unless its changes say otherwise. */
export function fold<S>(schema: LogSchema<S>, entries: readonly (readonly NewChange[])[], from?: { state: S; n: number }): S {
  let n = from?.n ?? 0;
  let state = from?.state ?? schema.initial('p');
  for (const entry of entries) {
    for (const one of entry) state = schema.apply(state, at(one, 1000 + n), { n, id: `e${n}`, at: 1000 + n });
    n++;
  }
  return state;
}

/** Everything in a state as plain values, in order. */
export const plain = <P, M, F>(state: PackageState<P, M, F>) => ({
  ...state,
  tags: [...state.tags],
  releases: [...state.releases].map(([key, { manifest, ...rest }]) => ({
    key,
    ...rest,
    manifest: manifest && 'bytes' in manifest ? Buffer.from(manifest.bytes).toString() : manifest,
  })),
});

const version = fc.constantFrom('1.0.0', '1.1.0', '2.0.0', '__proto__', '3.0.0-ä');
const tag = fc.constantFrom('latest', 'next', '__proto__', 'old');
const user = fc.constantFrom('ann', 'bob', 'eve');
const file = fc.constantFrom('a.tgz', 'b.tgz', 'c.whl').map((name) => fileNamed(name));
const manifest = fc.oneof(
  fc.constantFrom('{"a":1}', '{"ü":"\\u2028"}', '{}'),
  fc.constant({ key: 'objects/plain/p/m', size: 20_000, sha256: 'ab' }),
);

/** Any change; `file` only names versions that some `publish` in the same entry makes. */
export const anyEntry: fc.Arbitrary<readonly NewChange[]> = fc.oneof(
  fc
    .record({
      by: user,
      version,
      manifest,
      files: fc.array(file, { maxLength: 2 }),
      tags: fc.dictionary(tag, version, { maxKeys: 2, noNullPrototype: true }),
      readme: fc.string(),
    })
    .map(({ by, readme, ...release }) => [change.publishChange(by, { ...release, data: { readme } })]),
  fc
    .tuple(user, version, file, file)
    .map(([by, v, one, two]) => [change.publishChange(by, { version: v, files: [one] }), change.fileChange(by, v, two)]),
  fc.tuple(user, tag, version).map(([by, t, v]) => [change.tagChange(by, t, v)]),
  fc.tuple(user, tag).map(([by, t]) => [change.untagChange(by, t)]),
  fc
    .tuple(user, fc.array(version), fc.constantFrom('published' as const, 'yanked' as const, 'quarantined' as const), fc.string())
    .map(([by, versions, status, reason]) => [change.statusChange(by, versions, status, reason)]),
  fc.tuple(user, version, fc.boolean()).map(([by, v, purge]) => [change.deleteChange(by, v, purge)]),
  fc.tuple(user, fc.boolean()).map(([by, purge]) => [change.deleteAllChange(by, purge)]),
  fc.tuple(user, fc.array(user)).map(([by, owners]) => [change.ownersChange(by, owners)]),
  fc.tuple(user, fc.constantFrom('public' as const, 'restricted' as const)).map(([by, v]) => [change.visibilityChange(by, v)]),
  fc.tuple(user, fc.string()).map(([by, readme]) => [change.dataChange(by, { readme })]),
);
