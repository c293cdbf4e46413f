import type { Json } from '../../lib/json.js';
import { type Change, type LogSchema, UnknownChange } from '../../log/schema.js';
import { type PackageCodec, packageSchema } from '../../packages/fold.js';
import { type Fields, isFields } from './fields.js';
import type { NpmManifest } from './manifest.js';
import { type Card, type NpmFile, type NpmPackage, type NpmState, representative, tarballOf } from './state.js';

/** What a `data` change (or the `data` of a `publish`) says. Absent: as it was. */
export interface NpmPatch {
  readonly readme?: string | null;
  readonly readmeFilename?: string | null;
  /** A user id. */
  readonly star?: string;
  readonly unstar?: string;
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** A version's readme, in place of another's. */
function readmeOf(patch: Fields, version: unknown): Omit<NpmPackage, 'stars'> {
  const readme = textOf(patch['readme']);
  const readmeFilename = textOf(patch['readmeFilename']);
  return {
    ...(readme === undefined ? {} : { readme }),
    ...(readmeFilename === undefined ? {} : { readmeFilename }),
    ...(typeof version === 'string' ? { readmeOf: version } : {}),
  };
}

function applyPatch(data: NpmPackage, patch: unknown, version: unknown): NpmPackage {
  if (!isFields(patch)) throw new UnknownChange('npm data of an unknown form');
  const { star, unstar } = patch;
  const others = data.stars.filter((id) => id !== unstar && id !== star);
  const stars = typeof star === 'string' ? [...others, star] : others;
  return 'readme' in patch ? { stars, ...readmeOf(patch, version) } : { ...data, stars };
}

/** What a version that was withdrawn said of itself is not shown any more. */
const withoutReadme = (data: NpmPackage, version?: unknown): NpmPackage =>
  data.readmeOf === undefined || (version !== undefined && version !== data.readmeOf) ? data : { stars: data.stars };

const clipped = (value: unknown, length: number): string | undefined =>
  typeof value === 'string' && value !== '' ? value.slice(0, length) : undefined;

/** A list, or the one text that not every client takes apart. */
const words = (keywords: unknown): readonly unknown[] | undefined =>
  typeof keywords === 'string' ? keywords.split(',') : Array.isArray(keywords) ? keywords : undefined;

/** `Ann Bee <ann@mail.example> (https://ann.example)` → `Ann Bee`. */
const personName = (person: unknown): unknown =>
  typeof person === 'string'
    ? person
        .slice(0, 1_024)
        .replace(/[<(].*$/s, '')
        .trim()
    : person;

/** What search shows of a version, each field bounded. */
export function cardOf(manifest: Fields): Card {
  const { author, repository, bugs } = manifest;
  const card = {
    description: clipped(manifest['description'], 512),
    keywords: words(manifest['keywords'])
      ?.filter((word) => typeof word === 'string')
      .slice(0, 40)
      .map((word: string) => word.trim().slice(0, 64)),
    author: clipped(personName(isFields(author) ? author['name'] : author), 128),
    license: clipped(manifest['license'], 64),
    homepage: clipped(manifest['homepage'], 512),
    repository: clipped(isFields(repository) ? repository['url'] : repository, 512),
    bugs: clipped(isFields(bugs) ? bugs['url'] : bugs, 512),
  };
  return Object.fromEntries(Object.entries(card).filter(([, value]) => value !== undefined));
}

/** What search and lists know of a package. */
export interface NpmSummary extends Card {
  readonly version: string;
  /** Milliseconds. */
  readonly date: number;
  /** User ids. */
  readonly by: string;
  /** Absent where they do not fit: ids of an application's own provider may be long. */
  readonly owners?: readonly string[];
  /** User ids of those who starred it, the last 128. */
  readonly stars: readonly string[];
  readonly deprecated?: boolean;
}

function summaryOf(state: NpmState): { readonly [field: string]: Json } | undefined {
  const release = representative(state);
  if (!release) return undefined;
  const { manifest } = release;
  const card =
    manifest && 'bytes' in manifest
      ? cardOf(JSON.parse(Buffer.from(manifest.bytes).toString('utf8')) as Fields)
      : tarballOf(release)?.data.card;
  return {
    version: release.version,
    date: release.publishedAt,
    by: release.publishedBy,
    ...(release.status === 'yanked' ? { deprecated: true } : {}),
    owners: state.owners,
    ...card,
    stars: state.data.stars.slice(-128),
  };
}

/** Whether a package exists is asked with every request: states do not change, so neither does the answer. */
const summaries = new WeakMap<NpmState, { readonly [field: string]: Json }>();

/** What npm adds to the generic package: stars and the readme. Search reads the summary. */
export const npmCodec: PackageCodec<NpmPackage, NpmManifest, NpmFile> = {
  revision: 'npm.2',
  initialData: () => ({ stars: [] }),
  applyData(data, change: Change) {
    if (change.type === 'delete') return withoutReadme(data, change['version']);
    if (change.type === 'delete-all') return withoutReadme(data);
    const patch = change.type === 'data' ? change['patch'] : change['data'];
    return patch === undefined ? data : applyPatch(data, patch, change['version']);
  },
  summarise(state) {
    const known = summaries.get(state);
    if (known) return known;
    const summary = summaryOf(state);
    if (summary) summaries.set(state, summary);
    return summary;
  },
};

export const npmSchema: LogSchema<NpmState> = packageSchema(npmCodec);
