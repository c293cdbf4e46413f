import { invalid } from '../../errors/registry-error.js';
import type { LifeCycle, VersionSummary } from '../protocol.js';
import { hookFile, removal } from './life-cycle.js';
import { canonicalVersion, parseName } from './names.js';
import { isLive, liveReleases, type NpmRelease, type NpmState } from './state.js';

const tagsOf = ({ tags }: NpmState, version: string): readonly string[] =>
  [...tags].filter(([, target]) => target === version).map(([tag]) => tag);

const summary = (state: NpmState, release: NpmRelease): VersionSummary => ({
  version: release.version,
  status: release.status,
  reason: release.reason,
  publishedAt: release.publishedAt,
  publishedBy: release.publishedBy,
  size: release.files.reduce((sum, { size }) => sum + size, 0),
  tags: tagsOf(state, release.version),
});

/** npm packages for the management surface. */
export const npmLifeCycle: LifeCycle<NpmState> = {
  identity: (name) => parseName(name).full,
  version(text) {
    const version = canonicalVersion(text);
    if (version === undefined) throw invalid(`${text.slice(0, 100)} is not a version`);
    return version;
  },
  versions: (state) => [...liveReleases(state)].map((release) => summary(state, release)),
  remove: (state, versions, by, purge) => removal(by, state, new Set(versions), { purge }),
  files: (state, versions) =>
    versions
      .map((version) => state.releases.get(version))
      .filter(isLive)
      .flatMap(hookFile),
};
