import parseVersion from 'semver/functions/parse.js';
import type { NpmName } from './names.js';

/**
 * SemVer without build metadata, which does not make a version another one. Undefined: not a version, or one with something around it: the grammar's reader
 * would pass over spaces, line ends and a leading `v`.
 */
export function canonicalVersion(version: string): string | undefined {
  const parsed = version.length <= 256 ? parseVersion(version) : null;
  if (!parsed) return undefined;
  const build = parsed.build.length > 0 ? `+${parsed.build.join('.')}` : '';
  return `${parsed.version}${build}` === version ? parsed.version : undefined;
}

/** A version as people write it: `v1.0.0`, `=1.0.0` and spaces around it will do. */
export const typedVersion = (version: string): string | undefined => canonicalVersion(version.trim().replace(/^[=v]{1,8}/, ''));

/** The version that a tarball's file name stands for; undefined when it is none of this package's. `scoped` is the odd `@scope/name-1.0.0.tgz`. */
export function versionOfFile(name: NpmName, file: string): string | undefined {
  const prefix = name.scope !== undefined && file.startsWith(`@${name.scope}/`) ? `@${name.scope}/` : '';
  const start = `${prefix}${name.bare}-`;
  if (!file.startsWith(start) || !file.endsWith('.tgz')) return undefined;
  return canonicalVersion(file.slice(start.length, -'.tgz'.length));
}
