import { invalid } from '../../errors/registry-error.js';
import type { NewChange } from '../../log/schema.js';
import type { HookFile } from '../../packages/package-handle.js';
import type { About } from '../protocol.js';
import { hookFile, removal } from './life-cycle.js';
import { cardOf, isFields } from './manifest.js';
import { parseName, typedVersion } from './names.js';
import { representative } from './render.js';
import { type Card, isLive, liveReleases, type NpmRelease, type NpmState, README, tarballOf } from './state.js';

const tagsOf = ({ tags }: NpmState, version: string): readonly string[] =>
  [...tags].filter(([, target]) => target === version).map(([tag]) => tag);

const summary = (state: NpmState, release: NpmRelease) => ({
  version: release.version,
  status: release.status,
  reason: release.reason,
  publishedAt: release.publishedAt,
  publishedBy: release.publishedBy,
  size: release.files.reduce((sum, { size }) => sum + size, 0),
  tags: tagsOf(state, release.version),
});

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
  versions: (state: NpmState) => [...liveReleases(state)].map((release) => summary(state, release)),
  remove: (state: NpmState, versions: readonly string[], by: string, purge: boolean): readonly NewChange[] =>
    removal(by, state, new Set(versions), { purge }),
  files: (state: NpmState, versions: readonly string[]): readonly HookFile[] =>
    versions
      .map((version) => state.releases.get(version))
      .filter(isLive)
      .flatMap(hookFile),
  about: aboutOf,
};
