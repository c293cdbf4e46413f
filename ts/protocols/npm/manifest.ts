import { invalid, RegistryError } from '../../errors/registry-error.js';
import { quote } from '../../formats/quote.js';
import type { Json } from '../../lib/json.js';
import { type Fields, isFields } from './fields.js';
import { MAX_COMMANDS } from './limits.js';
import { checkPrinted } from './printed.js';

/**
 * A release's manifest as it is stored: one JSON object without `dist` and `deprecated` (the renderer adds them), the fields of the abbreviated form
 * first, then the only line break in the text, then the others. So both forms are cut out of the bytes without parsing them.
 */
export interface NpmManifest {
  readonly name: string;
  readonly version: string;
  readonly [field: string]: Json;
}

/** What the tarball itself says. */
export interface TarballFacts {
  readonly manifest: Fields;
  readonly hasShrinkwrap: boolean;
  readonly hasBindingGyp: boolean;
  /** Known although no script can be seen: another registry has said so. */
  readonly hasInstallScript?: boolean;
}

/** Fields that installers act on: always the tarball's own. */
const DEPENDENCIES = [
  'dependencies',
  'acceptDependencies',
  'optionalDependencies',
  'devDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
] as const;
const AS_THEY_STAND = ['directories', 'engines', 'funding'] as const;
const PLATFORMS = ['cpu', 'os', 'libc'] as const;

/** In the abbreviated form, in this order; `dist` and `deprecated` follow when it is rendered. */
export const ABBREVIATED = [
  'name',
  'version',
  ...DEPENDENCIES,
  'bundleDependencies',
  'bin',
  ...AS_THEY_STAND,
  ...PLATFORMS,
  '_hasShrinkwrap',
  'hasInstallScript',
] as const;

/** What npm rewrites on its way from package.json to the registry: the client's spelling is the better one. */
const NORMALISED: ReadonlySet<string> = new Set([
  'author',
  'bugs',
  'contributors',
  'description',
  'homepage',
  'keywords',
  'man',
  'repository',
  'types',
]);

/** Never taken from anyone: the registry's own, or another place's. */
const OURS: ReadonlySet<string> = new Set([
  '_attachments',
  '_hasShrinkwrap',
  '_id',
  '_npmOperationalInternal',
  '_npmUser',
  '_rev',
  '_signatures',
  'bundledDependencies',
  'deprecated',
  'dist',
  'gypfile',
  'hasInstallScript',
  'maintainers',
  'name',
  'readme',
  'readmeFilename',
  'scripts',
  'time',
  'users',
  'version',
]);

const bad = (field: string, what: string): RegistryError => invalid(`package.json of the tarball: ${field} must be ${what}`);

/** Installers fall over a range that is no text, and over a flag without its object: who installs would be the first to hear of it. */
function dependencies(inner: Fields, field: string): Fields | undefined {
  const value = inner[field];
  // an empty list is what some languages write for an empty object; npm reads it as none
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return undefined;
  if (!isFields(value)) throw bad(field, 'an object');
  const flags = field === 'peerDependenciesMeta';
  for (const [name, entry] of Object.entries(value))
    if (flags ? !isFields(entry) : typeof entry !== 'string')
      throw bad(`${field} of ${quote(name)}`, flags ? 'an object' : 'a string');
  return value;
}

/** One name or a list of them. */
function platforms(inner: Fields, field: string): unknown {
  const value = inner[field];
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string'))
    throw bad(field, 'a string or a list of strings');
  return value;
}

function bundled(inner: Fields): readonly string[] | undefined {
  const value = inner['bundleDependencies'] ?? inner['bundledDependencies'];
  if (value === true) return Object.keys(dependencies(inner, 'dependencies') ?? {});
  if (Array.isArray(value)) return value.filter((name) => typeof name === 'string');
  return isFields(value) ? Object.keys(value) : undefined;
}

/** `a/./b/../c` → `a/c`; never leaves the package. */
function insidePath(path: string): string {
  const out: string[] = [];
  for (const part of path.replace(/[\\:]/g, '/').split('/')) {
    if (part === '..') out.pop();
    else if (part !== '' && part !== '.') out.push(part);
  }
  return out.join('/');
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** `bin` as npm writes it: an object from command to path. A folder of commands (`directories.bin`) was listed by the client, which is believed within that folder. */
function commands(inner: Fields, sent: Fields, bareName: string): Readonly<Record<string, string>> | undefined {
  const folder = isFields(inner['directories']) ? inner['directories']['bin'] : undefined;
  const raw = inner['bin'] ?? (typeof folder === 'string' && isFields(sent['bin']) ? sent['bin'] : undefined);
  const below = inner['bin'] === undefined && typeof folder === 'string' ? `${insidePath(folder)}/` : '';
  let pairs: (readonly [string, unknown])[] = [];
  if (typeof raw === 'string') pairs = [[bareName, raw]];
  else if (Array.isArray(raw)) pairs = raw.filter((path) => typeof path === 'string').map((path: string) => [path, path]);
  else if (isFields(raw)) pairs = Object.entries(raw);
  if (pairs.length > MAX_COMMANDS) throw bad('bin', `of at most ${MAX_COMMANDS} commands`);
  const clean = pairs.flatMap(([command, path]): [string, string][] => {
    const name = baseName(insidePath(command));
    const target = typeof path === 'string' ? insidePath(path) : '';
    return name !== '' && target !== '' && target.startsWith(below) ? [[name, target]] : [];
  });
  return clean.length > 0 ? Object.fromEntries(clean) : undefined;
}

interface Scripts {
  readonly scripts: Readonly<Record<string, string>> | undefined;
  readonly gypfile: boolean;
  readonly install: boolean;
}

/** npm runs `node-gyp rebuild` for a `binding.gyp` whether package.json says so or not: then the manifest says so too. */
function scriptsOf({ manifest, hasBindingGyp }: TarballFacts): Scripts {
  const raw = manifest['scripts'];
  const own = (isFields(raw) ? Object.entries(raw) : []).filter((pair): pair is [string, string] => typeof pair[1] === 'string');
  const names = new Set(own.map(([name]) => name));
  const gypfile = hasBindingGyp && !names.has('install') && !names.has('preinstall') && manifest['gypfile'] !== false;
  if (gypfile) own.push(['install', 'node-gyp rebuild']);
  const install = gypfile || ['preinstall', 'install', 'postinstall'].some((name) => names.has(name));
  return { scripts: own.length > 0 ? Object.fromEntries(own) : undefined, gypfile, install };
}

/** Fields of the full form that the abbreviated one has not. */
function others(sent: Fields, inner: Fields, taken: ReadonlySet<string>): Map<string, unknown> {
  const rest = new Map<string, unknown>();
  for (const [field, value] of Object.entries(inner)) if (!field.startsWith('_')) rest.set(field, value);
  for (const [field, value] of Object.entries(sent)) if (!rest.has(field) || NORMALISED.has(field)) rest.set(field, value);
  for (const field of taken) rest.delete(field);
  for (const field of OURS) rest.delete(field);
  return rest;
}

const members = (fields: Iterable<readonly [string, unknown]>): string =>
  [...fields]
    .filter(([, value]) => value !== undefined)
    .map(([field, value]) => `${JSON.stringify(field)}:${JSON.stringify(value)}`)
    .join(',');

/**
 * The manifest that is served: what installers act on comes from the tarball's own package.json, normalised as npm does; what people read comes from
 * `sent` where npm rewrites it; unknown fields stay. `version` is canonical.
 * Throws `invalid` (400) for a package.json whose dependencies or platforms no installer could read, and for control characters in what clients print.
 */
export function composeManifest(
  name: { readonly full: string; readonly bare: string },
  version: string,
  sent: Fields,
  tarball: TarballFacts,
): string {
  const inner = tarball.manifest;
  const { scripts, gypfile, install } = scriptsOf(tarball);
  const short = new Map<string, unknown>([
    ['name', name.full],
    ['version', version],
    ...DEPENDENCIES.map((field): [string, unknown] => [field, dependencies(inner, field)]),
    ['bundleDependencies', bundled(inner)],
    ['bin', commands(inner, sent, name.bare)],
    ...AS_THEY_STAND.map((field): [string, unknown] => [field, inner[field] ?? undefined]),
    ...PLATFORMS.map((field): [string, unknown] => [field, platforms(inner, field)]),
    ['_hasShrinkwrap', tarball.hasShrinkwrap ? true : undefined],
    ['hasInstallScript', install || tarball.hasInstallScript ? true : undefined],
  ]);
  const long: (readonly [string, unknown])[] = [
    ['_id', `${name.full}@${version}`],
    ['scripts', scripts],
  ];
  if (gypfile) long.push(['gypfile', true]);
  const rest = others(sent, inner, new Set(short.keys()));
  checkPrinted(new Map([...short, ...rest]));
  long.push(...rest);
  return `{${members(short)},\n${members(long)}}`;
}

/** Name and version of a tarball's package.json against those of the request. Throws `invalid` (400). */
export function checkIdentity(
  inner: Fields,
  name: string,
  version: string,
  canonical: (version: string) => string | undefined,
): void {
  const innerVersion =
    typeof inner['version'] === 'string' ? canonical(inner['version'].trim().replace(/^[=v]+/, '')) : undefined;
  if (typeof inner['name'] !== 'string' || inner['name'].trim() !== name)
    throw invalid(`The tarball's package.json is for another package than ${name}`, { code: 'manifest_mismatch' });
  if (innerVersion !== version)
    throw invalid(`The tarball's package.json is for another version than ${version}`, { code: 'manifest_mismatch' });
}

const LINE_BREAK = 0x0a;

/** Where the abbreviated part of a stored manifest ends: the index of the comma before the line break, and of the first byte behind the break. */
export function cut(manifest: Uint8Array): { readonly short: number; readonly rest: number } {
  // Buffer's own search is much faster than that of Uint8Array.
  const at = Buffer.prototype.indexOf.call(manifest, LINE_BREAK);
  if (at < 1) throw new RegistryError('internal', 'stored manifest without its line break');
  return { short: at - 1, rest: at + 1 };
}
