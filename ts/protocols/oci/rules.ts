import type { NewChange } from '../../log/schema.js';
import { visibilityChange } from '../../packages/changes.js';
import { indexesOf, type OciState, tagsOf } from './state.js';

/** What an operator may decide for one repository. */
export interface OciRules {
  /** False: nothing can be deleted through the API. */
  readonly deletion: boolean;
  /** Manifests without tag go when nobody has named them for the grace time. */
  readonly collectUntagged: boolean;
  /** Image repositories begin closed to callers without credentials, also where anonymous reading is on. */
  readonly restricted: boolean;
  /** Some tag may be immutable. */
  readonly tagsStay: boolean;
  /** A tag that points somewhere stays there. */
  immutable(tag: string): boolean;
}

const PREFIX = 'immutableTags';

/** What `rulesOf` reads. */
export const ociFeatures = {
  names: ['delete', 'collectUntagged', 'restricted', PREFIX],
  open: {
    prefix: `${PREFIX}:`,
    wrong: (pattern: string): string | undefined =>
      /^[^*]*\*?[^*]*$/.test(pattern) && pattern !== '' ? undefined : 'must be a pattern with at most one *',
  },
};

const matches = (pattern: string, tag: string): boolean => {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === tag;
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return tag.length >= head.length + tail.length && tag.startsWith(head) && tag.endsWith(tail);
};

/**
 * Reads a repository's `features`: `delete` (default true), `collectUntagged` and `restricted` (default false), `immutableTags` for all tags, and `immutableTags:<pattern>`
 * for some, where a pattern has at most one `*` (`ociFeatures`). The longest pattern that matches a tag decides, so that exceptions can be made with `false`.
 */
export function rulesOf(features: Readonly<Record<string, boolean>>): OciRules {
  const patterns = Object.entries(features)
    .filter(([name]) => name === PREFIX || name.startsWith(`${PREFIX}:`))
    .map(([name, on]) => ({ pattern: name === PREFIX ? '*' : name.slice(PREFIX.length + 1), on }))
    .sort((a, b) => b.pattern.length - a.pattern.length);
  return {
    deletion: features['delete'] !== false,
    collectUntagged: features['collectUntagged'] === true,
    restricted: features['restricted'] === true,
    tagsStay: patterns.some(({ on }) => on),
    immutable: (tag) => patterns.find(({ pattern }) => matches(pattern, tag))?.on === true,
  };
}

/** What goes with the first push to an image repository. */
export const openingChanges = (
  by: string,
  { createdAt, visibility }: OciState,
  { restricted }: Pick<OciRules, 'restricted'>,
): readonly NewChange[] =>
  restricted && createdAt === 0 && visibility !== 'restricted' ? [visibilityChange(by, 'restricted')] : [];

/** The manifest, and the indexes that name it, by themselves or through others. */
function* holdersOf(state: OciState, digest: string): Generator<string, undefined, unknown> {
  const holders = new Set([digest]);
  // a set goes on with what is added meanwhile
  for (const holder of holders) {
    yield holder;
    for (const index of indexesOf(state, holder)) holders.add(index);
  }
  return undefined;
}

/** An immutable tag that would go, or have a hole, without one of these tags and digests. */
export function keptBy(rules: OciRules, state: OciState, versions: readonly string[]): string | undefined {
  if (!rules.tagsStay) return undefined;
  const own = versions.find((version) => state.tags.has(version) && rules.immutable(version));
  if (own !== undefined) return own;
  for (const version of versions) {
    if (!state.manifests.has(version)) continue;
    for (const holder of holdersOf(state, version)) for (const tag of tagsOf(state, holder)) if (rules.immutable(tag)) return tag;
  }
  return undefined;
}
