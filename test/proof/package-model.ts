import semver from 'semver';
import type { Model } from './linearizability.js';

export type Input =
  | { readonly op: 'publish'; readonly version: string; readonly shasum: string; readonly tag: string }
  | { readonly op: 'tag'; readonly tag: string; readonly version: string }
  | { readonly op: 'deprecate'; readonly version: string; readonly message: string }
  /** What the document showed from which the change was made. */
  | { readonly op: 'unpublish'; readonly version: string; readonly seen: string }
  | { readonly op: 'read' };

/** `no`: refused for the reason that the package's state gave. `stale`: somebody was faster. Of a read, what was seen. */
export type Output = 'ok' | 'no' | 'stale' | { readonly seen: string };

export interface Release {
  readonly shasum: string;
  readonly deprecated: string;
  readonly live: boolean;
}

export interface Package {
  readonly releases: Readonly<Record<string, Release>>;
  readonly tags: Readonly<Record<string, string>>;
}

const sorted = (record: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] =>
  Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));

/** What a document shows of a package, as text: versions with their bytes and their messages, and tags. */
export const seenOf = (
  versions: Readonly<Record<string, readonly [string, string]>>,
  tags: Readonly<Record<string, string>>,
): string => JSON.stringify([sorted(versions), sorted(tags)]);

export const NOTHING = 'nothing';

function visible({ releases, tags }: Package): string {
  const live = Object.entries(releases).filter(([, release]) => release.live);
  if (live.length === 0) return NOTHING;
  return seenOf(Object.fromEntries(live.map(([version, { shasum, deprecated }]) => [version, [shasum, deprecated]])), tags);
}

const isLive = (state: Package, version: string): boolean => state.releases[version]?.live === true;

const withRelease = ({ releases, tags }: Package, version: string, release: Release): Package => ({
  releases: { ...releases, [version]: release },
  tags,
});

function published(state: Package, { version, shasum, tag }: Extract<Input, { op: 'publish' }>): Package {
  const tags = { ...state.tags, [tag]: version, ...(state.tags['latest'] === undefined ? { latest: version } : {}) };
  return { ...withRelease(state, version, { shasum, deprecated: '', live: true }), tags };
}

/** Never the last version: the client does not ask for that. */
function unpublished(state: Package, version: string): Package {
  const old = state.releases[version] as Release;
  const next = withRelease(state, version, { ...old, live: false });
  const tags = Object.fromEntries(Object.entries(state.tags).filter(([, target]) => target !== version));
  if (state.tags['latest'] !== version) return { ...next, tags };
  const left = Object.keys(next.releases)
    .filter((known) => isLive(next, known))
    .sort(semver.compare);
  return { ...next, tags: { ...tags, latest: left.findLast((known) => semver.prerelease(known) === null) ?? left.at(-1) ?? '' } };
}

function changed(state: Package, input: Exclude<Input, { op: 'read' }>): Package | undefined {
  switch (input.op) {
    case 'publish':
      return input.version in state.releases ? undefined : published(state, input);
    case 'tag':
      return isLive(state, input.version) ? { ...state, tags: { ...state.tags, [input.tag]: input.version } } : undefined;
    case 'deprecate': {
      const release = state.releases[input.version];
      return release?.live ? withRelease(state, input.version, { ...release, deprecated: input.message }) : undefined;
    }
    case 'unpublish':
      return isLive(state, input.version) && visible(state) === input.seen ? unpublished(state, input.version) : undefined;
  }
}

/** One npm package, as its documentation has it. */
export const packageModel: Model<Package, Input, Output> = {
  initial: { releases: {}, tags: {} },
  step(state, input, output) {
    if (input.op === 'read')
      return output === undefined || (output as { seen: string }).seen === visible(state) ? state : undefined;
    // A change that was made from what is not there any more may be refused at any time: nothing was promised.
    if (output === 'stale') return state;
    const after = changed(state, input);
    if (output === 'no') return after === undefined ? state : undefined;
    return after;
  },
  key: ({ releases, tags }) => JSON.stringify([sorted(releases), sorted(tags)]),
};
