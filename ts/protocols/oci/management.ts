import { invalid } from '../../errors/registry-error.js';
import type { NewChange } from '../../log/schema.js';
import type { HookFile } from '../../packages/package-handle.js';
import { unmanifestChange, untagChange } from './changes.js';
import { digestOf, isTag, parseName } from './names.js';
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

function tagsByDigest({ tags }: OciState): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [tag, digest] of tags) {
    const others = found.get(digest);
    if (others) others.push(tag);
    else found.set(digest, [tag]);
  }
  return found;
}

/** Image repositories for the management surface: the form is that of the table of protocols. */
export const ociLifeCycle = {
  yanks: false as const,
  identity: parseName,
  version(text: string): string {
    if (!isTag(text) && !digestOf(text)) throw invalid(`${text.slice(0, 100)} is neither a tag nor a digest`);
    return text;
  },
  versions(state: OciState) {
    const tags = tagsByDigest(state);
    return [...state.manifests].flatMap(([digest, manifest]) => {
      const own = tags.get(digest) ?? [];
      return [...own.map((tag) => summary(tag, manifest, [tag])), summary(digest, manifest, own)];
    });
  },
  remove: (state: OciState, versions: readonly string[], by: string): readonly NewChange[] =>
    versions.map((version) => (state.manifests.has(version) ? unmanifestChange(by, version) : untagChange(by, version))),
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
