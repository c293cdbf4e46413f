import type { Json } from '../lib/json.js';
import { LayeredMap } from '../lib/layered-map.js';
import { type Change, type EntryInfo, type LogSchema, UnknownChange } from '../log/schema.js';
import { oneOf, textField, textsField } from './changes.js';
import { decodeState, encodeState } from './checkpoint.js';
import { redactChange } from './redact.js';
import { addFile, deleteReleases, moveTags, publish, setStatus, untag } from './releases.js';
import { show } from './shown.js';
import type { PackageState } from './state.js';

/** What a protocol adds to the generic fold. All functions are pure; `P` is plain JSON (it goes into checkpoints as such). */
export interface PackageCodec<P, M, F> {
  /** Changes whenever a function below changes its meaning. */
  readonly revision: string;
  initialData(identity: string): P;
  /** Called for `publish`, `file`, `data`, `delete` and `delete-all` changes; answers `data` itself where nothing of the package's own changes. */
  applyData(data: P, change: Change): P;
  /** For indexes and search, small. Asked only while the package has a release that is not deleted; undefined: it does not exist all the same. */
  summarise(state: PackageState<P, M, F>): { readonly [field: string]: Json } | undefined;
  /** After every change: what follows from it in this protocol. */
  onChange?(state: PackageState<P, M, F>, change: Change): PackageState<P, M, F>;
}

/** Of the fold below; part of every checkpoint's revision. */
const REVISION = 3;

/** JSON bytes that a summary may have. */
const SUMMARY_MAX = 8 * 1024;

/** Changes that may be about a protocol's own data. */
const OWN: ReadonlySet<string> = new Set(['publish', 'file', 'data', 'delete', 'delete-all']);

/** Bytes in memory of a package without anything in it. */
const EMPTY_WEIGHT = 512;

/** The schema of a package whose unit is a release with files: the generic changes of `changes.ts`, and the codec's own facts. */
export function packageSchema<P, M, F>(codec: PackageCodec<P, M, F>): LogSchema<PackageState<P, M, F>> {
  type S = PackageState<P, M, F>;
  const initial = (identity: string): S => ({
    name: identity,
    data: codec.initialData(identity),
    releases: LayeredMap.of(),
    tags: LayeredMap.of(),
    owners: [],
    visibility: 'public',
    createdAt: 0,
    modifiedAt: 0,
    weight: EMPTY_WEIGHT,
  });
  const apply = (before: S, change: Change, entry: EntryInfo): S => {
    const at = Math.max(before.modifiedAt, change.at);
    // what an upstream has shown is not yet a package of ours
    const createdAt = change.type === 'shown' ? before.createdAt : before.createdAt || at;
    const changed = withData(codec, applyGeneric({ ...before, createdAt, modifiedAt: at }, change, entry), change);
    return codec.onChange?.(changed, change) ?? changed;
  };
  return {
    revision: `${REVISION}.${codec.revision}`,
    initial,
    apply,
    encode: encodeState,
    decode: (bytes) => decodeState<P, M, F>(bytes),
    weigh: (state) => state.weight,
    summarise: (state) => (hasLive(state) ? summary(state.visibility, codec.summarise(state)) : undefined),
    redact: redactChange,
  };
}

const hasLive = (state: PackageState<unknown, unknown, unknown>): boolean => {
  for (const release of state.releases.values()) if (release.status !== 'deleted') return true;
  return false;
};

function applyGeneric<P, M, F>(state: PackageState<P, M, F>, change: Change, entry: EntryInfo): PackageState<P, M, F> {
  switch (change.type) {
    case 'publish':
      return publish(state, change, entry);
    case 'file':
      return addFile(state, change, entry);
    case 'tag':
      return moveTags(state, [[textField(change, 'tag'), textField(change, 'version')]]);
    case 'untag':
      return untag(state, textField(change, 'tag'));
    case 'status':
      return setStatus(state, change);
    case 'delete':
      return deleteReleases(state, [textField(change, 'version')], change, entry);
    case 'delete-all':
      return deleteReleases(state, [...state.releases.keys()], change, entry);
    case 'owners':
      return { ...state, owners: textsField(change, 'owners') };
    case 'visibility':
      return { ...state, visibility: oneOf(change, 'visibility', ['public', 'restricted']) };
    case 'confirmation': {
      const { confirmation: _before, ...rest } = state;
      const confirmation = oneOf(change, 'confirmation', ['everybody', 'people', 'none']);
      return confirmation === 'none' ? rest : { ...rest, confirmation };
    }
    case 'shown':
      return show(state, change);
    case 'data':
      return state;
    default:
      throw new UnknownChange(`change "${change.type}" is not known here`);
  }
}

function withData<P, M, F>(codec: PackageCodec<P, M, F>, state: PackageState<P, M, F>, change: Change): PackageState<P, M, F> {
  if (!OWN.has(change.type) || change['erased'] === true) return state;
  const data = codec.applyData(state.data, change);
  if (data === state.data) return state;
  return { ...state, data, weight: state.weight + jsonWeight(data) - jsonWeight(state.data) };
}

const jsonWeight = (value: unknown): number => 2 * (JSON.stringify(value)?.length ?? 0);

/** Visibility beside the protocol's own fields; fields that would make it larger than a feed line may be are left out, in their order. */
function summary(visibility: string, fields: { readonly [field: string]: Json } | undefined): Json | undefined {
  if (fields === undefined) return undefined;
  let room = SUMMARY_MAX - 64;
  // nearly all do: the braces and commas of the whole are one byte more than what is counted of the fields
  if (Buffer.byteLength(JSON.stringify(fields)) - 1 <= room) return { ...fields, visibility };
  const kept = Object.entries(fields).filter(([name, value]) => {
    const size = Buffer.byteLength(JSON.stringify(name)) + Buffer.byteLength(JSON.stringify(value)) + 2;
    if (size <= room) room -= size;
    else return false;
    return true;
  });
  return { ...Object.fromEntries(kept), visibility };
}
