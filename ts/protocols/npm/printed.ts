import { invalid } from '../../errors/registry-error.js';
import { steersTerminal } from '../../lib/printable.js';

/** What clients print: of a package that is looked at, searched for or installed. Scripts are none of it, and some colour what they say. */
const PRINTED = [
  'description',
  'keywords',
  'license',
  'licenses',
  'author',
  'contributors',
  'homepage',
  'repository',
  'bugs',
  'bin',
  'engines',
  'funding',
] as const;

const steers = (value: unknown): boolean =>
  typeof value === 'string'
    ? steersTerminal(value)
    : typeof value === 'object' && value !== null && Object.entries(value).some((pair) => pair.some(steers));

/** Throws `invalid` where one of a manifest's fields would steer the terminal of whoever asks for it. */
export function checkPrinted(fields: ReadonlyMap<string, unknown>): void {
  const bad = PRINTED.find((field) => steers(fields.get(field)));
  if (bad !== undefined) throw invalid(`${bad} of the manifest has control characters`);
}

/** Throws `invalid`. Everybody who installs a deprecated version is shown why. */
export function checkMessage(message: string): void {
  if (steersTerminal(message)) throw invalid('a deprecation message must not have control characters');
}
