import { Recall } from '../../lib/recall.js';

/*
 * The few questions that are asked of versions before anything is published, answered without a library: it would be a tenth of what a start takes.
 */

const NUMBER = '(?:0|[1-9]\\d*)';
const IDENTIFIER = `(?:${NUMBER}|\\d*[A-Za-z-][0-9A-Za-z-]*)`;
const PRERELEASE = `-${IDENTIFIER}(?:\\.${IDENTIFIER})*`;
const BUILD = '\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*';
const VERSION = new RegExp(`^(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})(?:${PRERELEASE})?(${BUILD})?$`);
const MAX_LENGTH = 256;

/**
 * SemVer (https://semver.org, 2.0.0) without build metadata, which does not make a version another one. Undefined: not a version, one with something around it,
 * or one that clients could not count on from.
 */
export function canonicalVersion(version: string): string | undefined {
  const match = version.length <= MAX_LENGTH ? VERSION.exec(version) : null;
  if (!match) return undefined;
  const [, major, minor, patch, build] = match;
  if (![major, minor, patch].every((part) => Number.isSafeInteger(Number(part)))) return undefined;
  return build === undefined ? version : version.slice(0, -build.length);
}

/** A version as people write it: `v1.0.0`, `=1.0.0` and spaces around it will do. */
export const typedVersion = (version: string): string | undefined => canonicalVersion(version.trim().replace(/^[=v]{1,8}/, ''));

/** Of a canonical version. */
export const isPrerelease = (version: string): boolean => version.includes('-');

/** The order of canonical versions, lowest first (semver.org §11). */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [parts(a), parts(b)];
  return (
    compareLists(one.numbers, other.numbers) ||
    Number(isPrerelease(b)) - Number(isPrerelease(a)) ||
    compareLists(one.identifiers, other.identifiers)
  );
}

function parts(version: string): { readonly numbers: readonly string[]; readonly identifiers: readonly string[] } {
  const at = version.indexOf('-');
  if (at < 0) return { numbers: version.split('.'), identifiers: [] };
  return { numbers: version.slice(0, at).split('.'), identifiers: version.slice(at + 1).split('.') };
}

function compareLists(a: readonly string[], b: readonly string[]): number {
  for (const [at, one] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    const order = compareIdentifiers(one, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareIdentifiers(a: string, b: string): number {
  const [one, other] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (one && other) return Number(a) - Number(b);
  if (one !== other) return one ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

const X = '[xX*]';
const WILD = `(?:${NUMBER}|${X})`;
const TILDE = new RegExp(`^~v*${WILD}(?:\\.${WILD}(?:\\.${WILD}(?:${PRERELEASE})?)?)?$`);
const TWO = `(?:${NUMBER}\\.${X}|${X}\\.${X})`;
const PARTIAL = new RegExp(
  `^v*(?:${WILD}|${NUMBER}\\.${NUMBER}|${TWO}|(?:${NUMBER}\\.${NUMBER}|${TWO})\\.${X}(?:${PRERELEASE})?)$`,
);

const ranges = new Recall<boolean>({ longest: 64 });

/**
 * Whether clients would take this for a range of versions, in as far as it stands in a URL as it is: other spellings need characters that have to be escaped.
 * A `*` too many is passed over by their reader (https://github.com/npm/node-semver#ranges).
 */
export function readsAsRange(text: string): boolean {
  // Nearly every publish moves the same tag.
  return ranges.get(text) ?? ranges.keep(text, TILDE.test(text) || PARTIAL.test(text) || readsAsVersion(text.replace('*', '')));
}

const readsAsVersion = (text: string): boolean => canonicalVersion(text.replace(/^v/, '')) !== undefined;
