import { invalid } from '../../errors/registry-error.js';
import type { NewChange } from '../../log/schema.js';
import type { HookFile } from '../../packages/package-handle.js';
import type { VersionPage } from '../protocol.js';
import { unmanifestChange, untagChange } from './changes.js';
import { digestOf, isTag, parseName } from './names.js';
import { keptBy, rulesOf } from './rules.js';
import type { Manifest, OciState } from './state.js';

/** What people delete: a tag, which leaves its manifest, or a digest, which takes all its tags along. Both are listed. */
const summary = (version: string, { size, at, by }: Manifest, tags: readonly string[]) => ({
  version,
  status: 'published',
  reason: undefined,
  publishedAt: at,
  publishedBy: by,
  size,
  tags,
});

/** By digest; of these digests alone. */
function tagsByDigest({ tags }: OciState, digests: ReadonlySet<string>): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [tag, digest] of tags) {
    if (!digests.has(digest)) continue;
    const others = found.get(digest);
    if (others) others.push(tag);
    else found.set(digest, [tag]);
  }
  return found;
}

/** A manifest's tags, then the manifest. */
function rows(tags: ReadonlyMap<string, readonly string[]>, digest: string, manifest: Manifest): ReturnType<typeof summary>[] {
  const own = tags.get(digest) ?? [];
  return [...own.map((tag) => summary(tag, manifest, [tag])), summary(digest, manifest, own)];
}

/** Digests in their order up to the one that a tag or a digest names; undefined: there is none. Without a name all of them. */
function digestsUpTo({ manifests, tags }: OciState, version: string | undefined): readonly string[] | undefined {
  const last = version === undefined ? undefined : (tags.get(version) ?? version);
  const digests: string[] = [];
  for (const digest of manifests.keys()) {
    digests.push(digest);
    if (digest === last) return digests;
  }
  return last === undefined ? digests : undefined;
}

/** What is older than a page's manifests is not looked at: there may be a hundred thousand. */
function newest(state: OciState, limit: number, before: string | undefined): VersionPage | undefined {
  const digests = digestsUpTo(state, before);
  if (!digests) return undefined;
  // each has a row at least, and those of the last one may stand behind `before`
  const near = digests.slice(-(limit + 1));
  const tags = tagsByDigest(state, new Set(near));
  const found = near.flatMap((digest) => {
    const manifest = state.manifests.get(digest);
    return manifest ? rows(tags, digest, manifest) : [];
  });
  const end = before === undefined ? found.length : found.findIndex(({ version }) => version === before);
  const versions = found.slice(Math.max(0, end - limit), end);
  return { versions, more: end > limit || digests.length > near.length, total: state.manifests.size + state.tags.size };
}

function* units({ manifests, tags }: OciState): Generator<string> {
  yield* manifests.keys();
  yield* tags.keys();
}

/** Image repositories for the management surface: the form is that of the table of protocols. */
export const ociLifeCycle = {
  yanks: false as const,
  identity: parseName,
  version(text: string): string {
    if (!isTag(text) && !digestOf(text)) throw invalid(`${text.slice(0, 100)} is neither a tag nor a digest`);
    return text;
  },
  units,
  has: (state: OciState, version: string): boolean => state.tags.has(version) || state.manifests.has(version),
  newest,
  remove: (state: OciState, versions: readonly string[], by: string): readonly NewChange[] =>
    versions.map((version) => (state.manifests.has(version) ? unmanifestChange(by, version) : untagChange(by, version))),
  keeps(state: OciState, versions: readonly string[], features: Readonly<Record<string, boolean>>): string | undefined {
    const rules = rulesOf(features);
    if (!rules.deletion) return 'deletion is switched off';
    const tag = keptBy(rules, state, versions);
    return tag === undefined ? undefined : `the tag ${tag} is immutable`;
  },
  files(state: OciState, versions: readonly string[]): readonly HookFile[] {
    const named = new Map(versions.map((version) => [state.tags.get(version) ?? version, version]));
    return [...named].flatMap(([digest, version]) => {
      const manifest = state.manifests.get(digest);
      if (!manifest) return [];
      const { size, mediaType, sha256 } = manifest;
      return [{ fileName: digest, version, size, contentType: mediaType, digests: { sha256 } }];
    });
  },
};
