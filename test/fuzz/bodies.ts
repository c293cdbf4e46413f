import { file } from '../formats/tar-maker.js';
import { documentOf, tarballOf, tgz } from '../proof/documents.js';

/** A body of `PUT /<name>` that must be refused, and why. */
export interface BadBody {
  readonly title: string;
  readonly body: () => string | Uint8Array;
}

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

/** A member put into a document's text by hand, where an object could not hold it. */
const withMember = (document: object, member: string): string => `{${member},${JSON.stringify(document).slice(1)}`;

export function badBodies(name: string, version: string): readonly BadBody[] {
  const good = documentOf({ name, version });
  const whole = JSON.stringify(good);
  const tarball = tarballOf(name, version);
  const data = tarball.toString('base64');
  const doc = (overrule: Partial<Parameters<typeof documentOf>[0]>): string =>
    JSON.stringify(documentOf({ name, version, ...overrule }));
  const of = (title: string, body: () => string | Uint8Array): BadBody => ({ title, body });
  const fileName = `${name}-${version}.tgz`;
  const attached = { content_type: 'application/octet-stream', data, length: tarball.length };
  const manifest = (good['versions'] as Record<string, object>)[version];
  return [
    of('wrong sha512 integrity', () => doc({ dist: { integrity: `sha512-${'A'.repeat(86)}==` } })),
    of('wrong sha1 in integrity', () => doc({ dist: { integrity: `sha1-${'A'.repeat(27)}=` } })),
    of('one right and one wrong integrity', () => {
      const right = (manifest as { dist: { integrity: string } }).dist.integrity;
      return doc({ dist: { integrity: `${right} sha512-${'A'.repeat(86)}==` } });
    }),
    of('integrity that is no text', () => doc({ dist: { integrity: { x: 1 } } })),
    of('wrong shasum', () => doc({ dist: { shasum: '0'.repeat(40) } })),
    of('a length one too long', () => doc({ attachment: { length: tarball.length + 1 } })),
    of('a length one too short', () => doc({ attachment: { length: tarball.length - 1 } })),
    of('a length of zero', () => doc({ attachment: { length: 0 } })),
    of('a negative length', () => doc({ attachment: { length: -1 } })),
    of('a length that is text', () => doc({ attachment: { length: String(tarball.length) } })),
    of('a length beyond all numbers', () => withMember({ name }, '"_attachments":{"x-1.0.0.tgz":{"length":1e400}}')),
    ...[0.1, 0.5, 0.9].map((part) => of(`cut off at ${part}`, () => whole.slice(0, Math.floor(whole.length * part)))),
    of('cut off in the data', () => whole.slice(0, whole.indexOf(data) + Math.floor(data.length / 2))),
    of('cut off before the last brace', () => whole.slice(0, -1)),
    of('an unknown attachment', () => doc({ document: { _attachments: { 'x.exe': attached } } })),
    of('an unknown attachment beside the tarball', () =>
      doc({ document: { _attachments: { [fileName]: attached, 'x.txt': attached } } }),
    ),
    of('two tarballs', () => doc({ document: { _attachments: { [fileName]: attached, 'other-1.0.0.tgz': attached } } })),
    of('an attachment without data', () => doc({ document: { _attachments: { [fileName]: { length: 3 } } } })),
    of('data that is no text', () => doc({ attachment: { data: 17 } })),
    of('attachments that are a list', () => doc({ document: { _attachments: [attached] } })),
    of('two versions', () => doc({ document: { versions: { [version]: manifest, '2.0.0': manifest } } })),
    of('no version', () => doc({ document: { versions: {} } })),
    of('versions that are a list', () => doc({ document: { versions: [manifest] } })),
    of('a version that is null', () => doc({ document: { versions: { [version]: null } } })),
    of('M1: another name in the body', () => doc({ document: { name: 'other' } })),
    of('M1: another name in the manifest', () => doc({ manifest: { name: 'other' } })),
    of('M1: another version in the manifest', () => doc({ manifest: { version: '2.0.0' } })),
    of('M1: another name in the tarball', () => doc({ tarball: tarballOf('other', version) })),
    of('M1: another version in the tarball', () => doc({ tarball: tarballOf(name, '2.0.0') })),
    of('a tag on another version', () => doc({ document: { 'dist-tags': { latest: '2.0.0' } } })),
    of('a tag that is a range', () => doc({ tag: '1.x' })),
    of('P2: a tag named __proto__', () =>
      withMember({ ...good, 'dist-tags': undefined }, `"dist-tags":{"__proto__":"${version}"}`),
    ),
    of('P1: a version named __proto__', () =>
      withMember({ ...good, versions: undefined }, `"versions":{"__proto__":${JSON.stringify(manifest)}}`),
    ),
    of('P1: a version named constructor', () => doc({ document: { versions: { constructor: manifest } } })),
    of('P1: a manifest with an own __proto__', () =>
      withMember(
        { ...good, versions: undefined },
        `"versions":{"${version}":${withMember(manifest as object, '"__proto__":{"polluted":1}')}}`,
      ),
    ),
    of('no semantic version', () => doc({ version: 'one' })),
    of('a version of 300 characters', () => doc({ version: `1.0.0-${'a'.repeat(300)}` })),
    of('an access that nobody knows', () => doc({ access: 'everyone' })),
    of('an access that is no text', () => doc({ document: { access: { x: 1 } } })),
    of('a name that is a number', () => doc({ document: { name: 17 } })),
    of('P3: 10,000 deep, in an unknown member', () => withMember(good, `"x":${deep(10_000)}`)),
    of('P3: 10,000 deep, in a manifest', () =>
      withMember(
        { ...good, versions: undefined },
        `"versions":{"${version}":{"name":"${name}","version":"${version}","x":${deep(10_000)}}}`,
      ),
    ),
    of('P3: 10,000 deep, in the tags', () => withMember({ ...good, 'dist-tags': undefined }, `"dist-tags":${deep(10_000)}`)),
    of('P3: 1,000,000 deep, from the first byte', () => '['.repeat(1_000_000)),
    of('P3: members twice', () => withMember(good, `"name":"${name}"`)),
    of('P3: versions twice', () => withMember(good, '"versions":{}')),
    of('P3: attachments twice', () => withMember(good, '"_attachments":{}')),
    of('P3: one attachment twice', () => {
      const one = `"${fileName}":${JSON.stringify(attached)}`;
      return withMember({ ...good, _attachments: undefined }, `"_attachments":{${one},${one}}`);
    }),
    of('P3: a comma too many', () => whole.replace(/\}$/, ',}')),
    of('P3: something behind the end', () => `${whole} {}`),
    of('P3: a byte order mark', () => `\ufeff${whole}`),
    of('P3: NUL between members', () => withMember(good, '\0')),
    of('P3: NaN', () => withMember(good, '"x":NaN')),
    of('P3: a control character in a text', () => withMember(good, '"description":"a\u0001b"')),
    of('P3: half an escape', () => withMember(good, '"description":"\\u12"')),
    of('P3: a number of 1 MB in the access', () =>
      withMember({ ...good, access: undefined }, `"access":${'9'.repeat(1_000_000)}`),
    ),
    of('not UTF-8, in a name', () =>
      Buffer.concat([Buffer.from('{"name":"'), Buffer.of(0xff, 0xfe), Buffer.from(`",${whole.slice(1)}`)]),
    ),
    of('not UTF-8, overlong', () =>
      Buffer.concat([Buffer.from('{"_id":"'), Buffer.of(0xc0, 0xae), Buffer.from(`",${whole.slice(1)}`)]),
    ),
    of('not base 64', () => doc({ attachment: { data: `${data.slice(0, -8)}!!!!${data.slice(-4)}` } })),
    of('base 64 of the wrong length', () => doc({ attachment: { data: data.replace(/=+$/, '').slice(0, -1) } })),
    of('base 64 with padding in the middle', () => doc({ attachment: { data: `${data.slice(0, 8)}====${data.slice(8)}` } })),
    of('base 64 with line ends', () => doc({ attachment: { data: data.replace(/(.{76})/g, '$1\n') } })),
    of('base 64 for URLs', () => doc({ attachment: { data: `-_${data.slice(2)}` } })),
    of('a provenance bundle that is no JSON', () =>
      doc({ document: { _attachments: { [fileName]: attached, [`${name}-${version}.sigstore`]: { data: '{"' } } } }),
    ),
    of('a manifest of 5 MiB', () => doc({ manifest: { x: 'x'.repeat(5 * 1024 * 1024) } })),
    of('a description of 70 MiB', () => withMember(good, `"description":"${'x'.repeat(70 * 1024 * 1024)}"`)),
    of('an array', () => '[]'),
    of('a text', () => '"x"'),
    of('a number', () => '17'),
    of('null', () => 'null'),
    of('nothing', () => ''),
    of('spaces', () => '   '),
    of('no JSON', () => '<html></html>'),
    of('an empty object', () => '{}'),
    of('a tarball that names the package twice', () =>
      doc({ tarball: tgz(file('package/package.json', `{"name":"${name}","version":"${version}","name":"other"}`)) }),
    ),
  ];
}
