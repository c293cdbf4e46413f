import { invalid } from '../../errors/registry-error.js';
import type { NewChange } from '../../log/schema.js';
import type { HookFile } from '../../packages/package-handle.js';
import type { About, VersionPage } from '../protocol.js';
import { cardOf } from './codec.js';
import { isFields } from './fields.js';
import { parseName } from './names.js';
import { removal } from './removal.js';
import {
  type Card,
  hookFile,
  isLive,
  liveReleases,
  type NpmRelease,
  type NpmState,
  README,
  representative,
  tarballOf,
} from './state.js';
import { typedVersion } from './versions.js';

/** Of these versions alone. */
function tagsOf({ tags }: NpmState, releases: readonly NpmRelease[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>(releases.map(({ version }) => [version, []]));
  for (const [tag, version] of tags) found.get(version)?.push(tag);
  return found;
}

const summary = (release: NpmRelease, tags: readonly string[]) => ({
  version: release.version,
  status: release.status,
  reason: release.reason,
  publishedAt: release.publishedAt,
  publishedBy: release.publishedBy,
  size: release.files.reduce((sum, { size }) => sum + size, 0),
  tags,
});

function newest(state: NpmState, limit: number, before: string | undefined): VersionPage | undefined {
  const all = [...liveReleases(state)];
  const end = before === undefined ? all.length : all.findIndex(({ version }) => version === before);
  if (end < 0) return undefined;
  const page = all.slice(Math.max(0, end - limit), end);
  const tags = tagsOf(state, page);
  const versions = page.map((release) => summary(release, tags.get(release.version) ?? []));
  return { versions, more: end > limit, total: all.length };
}

function* units(state: NpmState): Generator<string> {
  for (const { version } of liveReleases(state)) yield version;
}

/** A manifest that lies outside of the state has left its card there. */
function cardIn(release: NpmRelease): Card {
  const { manifest } = release;
  if (!manifest || !('bytes' in manifest)) return tarballOf(release)?.data.card ?? {};
  const fields: unknown = JSON.parse(Buffer.from(manifest.bytes).toString('utf8'));
  return isFields(fields) ? cardOf(fields) : {};
}

function aboutOf(state: NpmState): About {
  const release = representative(state);
  if (!release) return {};
  const readme = state.data.readme ?? release.files.find(({ name }) => name === README);
  return { ...cardIn(release), ...(readme === undefined ? {} : { readme }) };
}

/** npm packages for the management surface: the form is that of the table of protocols. */
export const npmLifeCycle = {
  identity: (name: string): string => parseName(name).full,
  version(text: string): string {
    const version = typedVersion(text);
    if (version === undefined) throw invalid(`${text.slice(0, 100)} is not a version`);
    return version;
  },
  units,
  has: (state: NpmState, version: string): boolean => isLive(state.releases.get(version)),
  newest,
  remove: (state: NpmState, versions: readonly string[], by: string, purge: boolean): readonly NewChange[] =>
    removal(by, state, new Set(versions), { purge }),
  files: (state: NpmState, versions: readonly string[]): readonly HookFile[] =>
    versions
      .map((version) => state.releases.get(version))
      .filter(isLive)
      .flatMap(hookFile),
  about: aboutOf,
};
