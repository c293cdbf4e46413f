import { publishChange } from '../../../ts/packages/changes.js';
import { composeManifest } from '../../../ts/protocols/npm/manifest.js';
import { parseName } from '../../../ts/protocols/npm/names.js';
import type { NpmState } from '../../../ts/protocols/npm/state.js';
import type { Registry } from './rig.js';

const AT_ONCE = 500;
const name = parseName('many');

/** The release `1.<at>.0` of the package `many`, as a change; `fields` are its manifest's. */
function releaseOf(at: number, fields: Readonly<Record<string, unknown>>) {
  const version = `1.${at}.0`;
  const inner = { name: 'many', version, ...fields };
  return publishChange('somebody', {
    version,
    manifest: composeManifest(name, version, inner, { manifest: inner, hasShrinkwrap: false, hasBindingGyp: false }),
    files: [
      {
        name: `many-${version}.tgz`,
        size: 1,
        digests: { sha256: 'a'.repeat(64), sha1: 'b'.repeat(40), sha512: 'c'.repeat(128) },
        key: `objects/npm/x/9999999999999-${at}`,
        data: { fileCount: 1, unpackedSize: 2 },
      },
    ],
    tags: { latest: version },
  });
}

/** Commits so many releases, a multiple of 500, to the log of `many`; answers its state. */
export async function commitMany(npm: Registry, count: number, fields: Readonly<Record<string, unknown>>): Promise<NpmState> {
  for (let from = 0; ; from += AT_ONCE) {
    const changes = Array.from({ length: AT_ONCE }, (_, at) => releaseOf(from + at, fields));
    const { snapshot } = await npm.space.commit('many', () => ({ changes, result: undefined }));
    if (from + AT_ONCE >= count) return snapshot.state;
  }
}
