import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { documentOf } from '../proof/documents.js';
import { badArchives } from './archives.js';
import { badBodies } from './bodies.js';
import type { Sent, Target } from './door.js';
import { HEADERS } from './headers.js';
import { NAMES } from './names.js';
import { RANGES } from './ranges.js';
import { SPELLED } from './spellings.js';

const sha256 = (bytes: Uint8Array | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
export const BLOB = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', history: [] }));
export const MANIFEST = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: sha256(BLOB), size: BLOB.byteLength },
  layers: [],
});

/** A name as it stands in a target: bytes that mean something there as escapes. */
export const spelled = (name: string, keep: RegExp): string =>
  [...Buffer.from(name, 'utf8')]
    .map((byte) => (keep.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`))
    .join('');
const plain = (name: string): string => spelled(name, /[\w.~@!'()*-]/);

/** What a hole of a route takes; others get `x`. */
const GOOD: Readonly<Record<string, readonly string[]>> = {
  name: ['fuzz-a', '@fuzz/b', 'fuzz-c', 'sound', 'absent'],
  digest: [sha256(BLOB), sha256(MANIFEST), sha256('absent'), `sha512:${'0'.repeat(128)}`],
  reference: ['latest', 'v1', sha256(MANIFEST)],
  file: ['sound-1.0.0.tgz', 'fuzz-a-1.0.0.tgz', 'b-1.0.0.tgz'],
  rev: ['1-x', '0'],
  tag: ['latest', 'next'],
  selector: ['latest', '1.0.0', '^1'],
  user: ['ann', 'keeper', 'guild'],
  spec: ['sound@1.0.0', '@fuzz/b@1.0.0'],
};

/** Good document after good document; a part of one is then replaced. */
const DOCUMENTS: readonly unknown[] = [
  documentOf({ name: 'fuzz-a', version: '1.0.0' }),
  documentOf({ name: '@fuzz/b', version: '1.0.1', tag: 'next' }),
  { versions: { '1.0.0': { deprecated: 'old' } } },
  { _rev: '1-x', maintainers: [{ name: 'ann', email: 'a@b.example' }], versions: { '1.0.0': {} } },
  { users: { ann: true } },
  { access: 'public' },
  { latest: '1.0.0', next: '1.0.0' },
  '1.0.0',
  { name: 'ann', password: 'a password, long', email: 'a@b.example', type: 'user', roles: [], _id: 'org.couchdb.user:ann' },
  { password: 'a password, long', readonly: true, cidr_whitelist: ['0.0.0.0/0'], name: 'x', permissions: [] },
  { tfa: { mode: 'auth-and-writes', password: 'x' }, email: 'a@b.example' },
  { user: 'ann', role: 'developer' },
  { package: 'fuzz-a', permissions: 'read-only' },
  { 'fuzz-a': ['1.0.0'] },
  { requires: { 'fuzz-a': '1.0.0' }, dependencies: { 'fuzz-a': { version: '1.0.0' } } },
  JSON.parse(MANIFEST),
  {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: sha256(MANIFEST), size: MANIFEST.length }],
    subject: { mediaType: 'x/y', digest: sha256(MANIFEST), size: MANIFEST.length },
    annotations: { a: 'b' },
  },
];

const HOSTILE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  '',
  ' ',
  '\0',
  '__proto__',
  'constructor',
  '../../x',
  '\ud800',
  'x'.repeat(70_000),
  '1.0.0',
  '9'.repeat(400),
  `1.0.0-${'a.'.repeat(300)}a`,
  [],
  [[]],
  [null],
  {},
  { toString: 1 },
  { length: -1 },
  Array.from({ length: 3_000 }, (_, n) => n),
  Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`k${n}`, n])),
];

/** Replaces the `at`th value of a document, counted from the outside, or drops it. */
function mutated(document: unknown, at: number, value: unknown, drop: boolean): unknown {
  let left = at;
  const walk = (node: unknown): unknown => {
    if (left === 0) {
      left = -1;
      return drop ? undefined : value;
    }
    left -= 1;
    if (typeof node !== 'object' || node === null) return node;
    if (Array.isArray(node)) return node.map(walk);
    return Object.fromEntries(Object.entries(node).map(([key, one]) => [key, walk(one)]));
  };
  return walk(document);
}

const smallArchives = badArchives('fuzz-a', '1.0.0').filter(({ title }) => !title.startsWith('R1:'));
/** What is large has tests of its own. */
const tables: readonly (Uint8Array | string)[] = [
  ...badBodies('fuzz-a', '1.0.0').map(({ body }) => body()),
  ...smallArchives.map(({ bytes }) => JSON.stringify(documentOf({ name: 'fuzz-a', version: '1.0.0', tarball: bytes() }))),
].filter(({ length }) => length < 300_000);

const structured = fc
  .tuple(
    fc.constantFrom(...DOCUMENTS),
    fc.nat(40),
    fc.oneof(fc.constantFrom(...HOSTILE), fc.jsonValue()),
    fc.boolean(),
    fc.boolean(),
  )
  .map(
    ([document, at, value, drop, untouched]) => JSON.stringify(untouched ? document : mutated(document, at, value, drop)) ?? '',
  );
const torn = fc
  .tuple(structured, fc.nat(5_000), fc.uint8Array({ maxLength: 3 }))
  .map(([text, at, bytes]) => Buffer.concat([Buffer.from(text).subarray(0, at), bytes, Buffer.from(text).subarray(at + 1)]));
const body: fc.Arbitrary<Uint8Array | string | undefined> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 6, arbitrary: structured },
  { weight: 2, arbitrary: torn },
  { weight: 2, arbitrary: fc.constantFrom(...tables) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.constantFrom<Uint8Array | string>(BLOB, MANIFEST, '') },
);

const rarely = fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: body });

const QUERIES: readonly string[] = [
  'write=true',
  'text=',
  'text=keywords:x&size=99999999999&from=-1',
  'text=%00&quality=x',
  'size=NaN',
  'n=0',
  'n=-1',
  'n=99999999999999',
  'n=1&last=zzz',
  'last=%ff',
  `digest=${sha256(BLOB)}`,
  'digest=',
  'digest=sha256:',
  'digest=md5:00',
  `digest=${sha256(BLOB)}&digest=x`,
  `mount=${sha256(BLOB)}&from=sound`,
  'mount=x&from=..',
  'from=sound',
  'service=x&scope=repository:sound:pull',
  `scope=${'repository:a:pull%20'.repeat(300)}`,
  'scope=repository::*',
  'scope=%00',
  'artifactType=x',
  'artifactType=%',
  'key=%22ann%22',
  'key=%',
  'format=cli',
  '__proto__=x',
  '&&&=',
  `${'a=b&'.repeat(2_000)}`,
  '%',
  '?',
  'q=%F0%9F',
  'account=a&offline_token=1',
  'per_page=-1&page=2',
];

const hole = (name: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 24, arbitrary: fc.constantFrom(...(GOOD[name] ?? ['x'])).map(plain) },
    { weight: 2, arbitrary: fc.constantFrom(...SPELLED) },
    { weight: 2, arbitrary: fc.constantFrom(...NAMES).map((row) => plain(row.name).slice(0, 2_000)) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }).map(plain) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 12 }).map((text) => text.replace(/\s/g, '%20')) },
  );

const pathOf = ({ path }: Target): fc.Arbitrary<string> => {
  const pieces = path.split(/\{(\w+)\}/).map((piece, at) => (at % 2 === 0 ? fc.constant(piece) : hole(piece)));
  return fc.tuple(...pieces).map((parts) => parts.join(''));
};

/** Something that no URL has, somewhere in the target. */
const twist = fc.tuple(
  fc.nat(60),
  fc.constantFrom('%', '%00', '//', '/../', '/./', '\\', '%2f', ';', '#', '\u007f', '\u00e9', '%c0%af', '*'),
);

const header = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...HEADERS) },
  { weight: 1, arbitrary: fc.constantFrom(...RANGES).map(({ range }) => `Range: ${range}`) },
  { weight: 2, arbitrary: fc.constantFrom('Content-Type: application/json', 'Content-Type: application/octet-stream') },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.stringMatching(/^[A-Za-z-]{1,12}$/), fc.string({ unit: 'binary', maxLength: 30 }))
      .map(([name, value]) => `${name}: ${value}`),
  },
);

/** Requests to all routes; `credentials` are Authorization lines' values. */
export function requests(targets: readonly Target[], credentials: readonly string[]): fc.Arbitrary<Sent> {
  const odd = fc.constantFrom('HEAD', 'GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'FOO');
  return fc.constantFrom(...targets).chain((target) =>
    fc
      .record({
        method: fc.oneof({ weight: 9, arbitrary: fc.constant(target.method) }, { weight: 1, arbitrary: odd }),
        path: pathOf(target),
        twisted: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: twist }),
        query: fc.oneof(fc.constant(undefined), fc.constantFrom(...QUERIES)),
        credential: fc.oneof({ weight: 5, arbitrary: fc.constant(credentials[0]) }, fc.constantFrom(undefined, ...credentials)),
        lines: fc.oneof(
          { weight: 2, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.array(header, { minLength: 1, maxLength: 3 }) },
        ),
        body: target.method === 'GET' || target.method === 'DELETE' ? rarely : body,
        announced: fc.oneof(
          { weight: 40, arbitrary: fc.constant(undefined) },
          { weight: 1, arbitrary: fc.constantFrom(0, 1, 17, 70_000, 5_000_000_000) },
        ),
      })
      .map(({ method, path, twisted, query, credential, lines, body: sent, announced }): Sent => {
        const bent = twisted === undefined ? path : `${path.slice(0, twisted[0])}${twisted[1]}${path.slice(twisted[0])}`;
        const authorization = credential === undefined ? [] : [`Authorization: ${credential}`];
        return {
          method,
          target: `${bent}${query === undefined ? '' : `?${query}`}`,
          headers: [...authorization, ...lines],
          body: sent,
          announced,
        };
      }),
  );
}
