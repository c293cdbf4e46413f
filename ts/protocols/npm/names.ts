import { invalid, notFound } from '../../errors/registry-error.js';
import type { Param } from '../../http/route.js';

/** A package name as npm writes it. Names are case-sensitive: old mixed-case ones exist beside their lower-case twins. */
export interface NpmName {
  /** The identity string: `left-pad`, `@babel/core`. */
  readonly full: string;
  /** Without the `@`. */
  readonly scope: string | undefined;
  /** Without the scope: what file names begin with. */
  readonly bare: string;
}

const PART = "[A-Za-z0-9!'()*~][A-Za-z0-9!'()*~._-]*";
const READABLE = new RegExp(`^(?:@(?<scope>${PART})/)?(?<bare>${PART})$`);
const MAX_READABLE = 512;
const MAX_NEW = 214;
const RESERVED: ReadonlySet<string> = new Set(['node_modules', 'favicon.ico']);

/** Reads a name. Throws `invalid` (400) for what no registry has ever accepted. */
export function parseName(name: string): NpmName {
  const match = name.length <= MAX_READABLE ? READABLE.exec(name) : null;
  const bare = match?.groups?.['bare'];
  if (!match || bare === undefined || bare.toLowerCase() === 'node_modules')
    throw invalid('Invalid package name', { code: 'bad_name' });
  return { full: name, scope: match.groups?.['scope'], bare };
}

/**
 * What forbids `name` for a package that does not exist yet; undefined: nothing. Old names may be read and get new versions.
 * https://github.com/npm/validate-npm-package-name
 */
export function newNameProblem({ full, bare }: NpmName): string | undefined {
  if (full.length > MAX_NEW) return `a package name may have at most ${MAX_NEW} characters`;
  if (full !== full.toLowerCase()) return 'the name of a new package must be lower case';
  if (/[!'()*~]/.test(full)) return "the name of a new package cannot contain any of ~'!()*";
  if (RESERVED.has(bare)) return `${bare} is not a valid package name`;
  return undefined;
}

/** `name-1.0.0.tgz`, never with a scope. */
export const tarballName = (name: NpmName, version: string): string => `${name.bare}-${version}.tgz`;

const SEPARATOR = '(?:/|%2[fF])';
const SCOPE = '(?:@|%40)(?:[^/%]|%(?!2[fF]))+';

/** A placeholder for one path segment that `parse` checks. */
const segment = <T>(parse: (raw: string) => T): Param<T> => ({ pattern: '[^/]+', parse });

/** `left-pad`, `@babel/core`, and the spellings `@babel%2fcore`, `@babel%2Fcore`, `%40babel%2fcore`. What is below `-` is API. */
export const nameParam: Param<NpmName> = {
  pattern: `(?:${SCOPE}${SEPARATOR}[^/]+|(?!-(?:/|$)|@|%40)[^/]+)`,
  parse: parseName,
};

/** `name-1.0.0.tgz`, and `@scope/name-1.0.0.tgz` of old lockfiles. */
export const fileParam: Param<string> = { pattern: `(?:${SCOPE}${SEPARATOR})?[^/]+\\.tgz`, parse: (raw) => raw };

export const selectorParam: Param<string> = {
  pattern: '(?!-/)[^/]+',
  parse(raw) {
    if (raw === '-') throw notFound('page');
    return raw;
  },
};

export const revParam: Param<string> = segment((raw) => raw);

/** A user's name as npm writes it; whether it exists is another question. */
export const userParam: Param<string> = segment((raw) => {
  if (raw.length > 128 || /[^\x21-\x7e]/.test(raw)) throw invalid('Invalid user name');
  return raw;
});

/** Opaque text of the protocol: a token, a login session, a scope, a tag that may be none. */
export const textParam: Param<string> = segment((raw) => {
  if (raw.length > 512) throw invalid('too long');
  return raw;
});

/** `name@1.0.0`, of the attestations route. */
export const specParam: Param<{ readonly name: NpmName; readonly version: string }> = {
  pattern: `(?:${SCOPE}${SEPARATOR})?[^/]+(?:@|%40)[^/]+`,
  parse(raw) {
    const at = raw.lastIndexOf('@');
    return { name: parseName(raw.slice(0, at)), version: raw.slice(at + 1) };
  },
};
