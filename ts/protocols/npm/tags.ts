import validRange from 'semver/ranges/valid.js';
import { Recall } from '../../lib/recall.js';

const ranges = new Recall<boolean>({ longest: 64 });
/** Reading what is no range is dear, and nearly every publish moves the same tag. */
const isRange = (tag: string): boolean => ranges.get(tag) ?? ranges.keep(tag, validRange(tag) !== null);

/** What forbids `tag`; undefined: nothing. A tag that reads as a version range could never be asked for. */
export function tagProblem(tag: string): string | undefined {
  if (tag.length === 0 || tag.length > 214) return 'a dist-tag has between 1 and 214 characters';
  if (isRange(tag)) return `a dist-tag must not be a valid semver range: ${tag}`;
  if (encodeURIComponent(tag) !== tag || tag.startsWith('.') || tag === '__proto__') return 'invalid dist-tag';
  return undefined;
}
