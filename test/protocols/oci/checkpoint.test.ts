import { describe, expect, it } from 'vitest';
import { text, utf8 } from '../../../ts/lib/bytes.js';
import { LayeredMap } from '../../../ts/lib/layered-map.js';
import { decodeState, encodeState } from '../../../ts/protocols/oci/checkpoint.js';
import { emptyState } from '../../../ts/protocols/oci/fold.js';
import type { Blob, Manifest, OciState } from '../../../ts/protocols/oci/state.js';

const OWN = 'objects/oci/team-app-hash/';
const hex = (fill: string): string => fill.repeat(64);
const sha256 = (fill: string): string => `sha256:${hex(fill)}`;
const sha512 = `sha512:${'9'.repeat(128)}`;

const blob = (name: string, fill: string, uses: number): Blob => ({
  key: name.includes('/') ? name : OWN + name,
  size: uses + 7,
  sha256: hex(fill),
  uses,
  idle: uses,
  idleAt: 1_000 + uses,
});
const manifest = (name: string, fill: string, more: Partial<Manifest> = {}): Manifest => ({
  key: OWN + name,
  size: 300,
  sha256: hex(fill),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  at: 5,
  by: 'somebody',
  blobs: [],
  children: [],
  subject: undefined,
  artifactType: undefined,
  annotations: undefined,
  idle: 2,
  ...more,
});

const full: OciState = {
  ...emptyState('team/app'),
  owners: ['somebody'],
  visibility: 'restricted',
  blobs: LayeredMap.of([
    [sha256('a'), blob('1-a', 'a', 2)],
    [sha512, blob('1-b', 'b', 1)],
    [sha256('c'), blob('objects/oci/elsewhere-hash/1-c', 'c', 0)],
  ]),
  manifests: LayeredMap.of([
    [sha256('1'), manifest('2-a', '1', { blobs: [sha256('a'), sha512, sha256('7')] })],
    [sha512, manifest('2-b', '2', { children: [sha256('1')], by: 'another', mediaType: 'x/y', annotations: null })],
    [
      sha256('3'),
      manifest('2-c', '3', { subject: sha256('1'), artifactType: 'application/sbom', annotations: { title: 'what is in it' } }),
    ],
  ]),
  tags: LayeredMap.of([
    ['v1', sha256('1')],
    ['all', sha512],
    ['gone', sha256('8')],
  ]),
  referrers: LayeredMap.of([[sha256('1'), LayeredMap.of<string, true>([[sha256('3'), true]])]]),
  createdAt: 11,
  modifiedAt: 12,
  weight: 4_711,
};

const plain = (value: unknown): unknown =>
  value instanceof LayeredMap ? [...value].map(([key, one]) => [key, plain(one)]) : value;
const fieldsOf = (state: OciState): unknown => Object.entries(state).map(([name, value]) => [name, plain(value)]);

describe('a checkpoint of an image repository', () => {
  it('is the state again: other algorithms, keys from elsewhere, and names of what is not there included', () => {
    expect(new Map(fieldsOf(decodeState(encodeState(full))) as [string, unknown][])).toEqual(
      new Map(fieldsOf(full) as [string, unknown][]),
    );
  });

  it('is the state again where it takes many lines', () => {
    const digests = Array.from({ length: 1_000 }, (_, n) => `sha256:${String(n).padStart(64, '0')}`);
    const large: OciState = {
      ...emptyState('team/app'),
      blobs: LayeredMap.of(digests.map((digest, n) => [digest, blob(`1-${n}`, 'a', n)])),
      manifests: LayeredMap.of(
        digests.map((digest, n) => [digest, manifest(`2-${n}`, 'b', { blobs: [digests[999 - n] ?? ''] })]),
      ),
      tags: LayeredMap.of(digests.map((digest, n) => [`v${n}`, digest])),
    };
    expect(fieldsOf(decodeState(encodeState(large)))).toEqual(fieldsOf(large));
  });

  it('of nothing is nothing', () => {
    const empty = emptyState('team/app');
    expect(new Map(fieldsOf(decodeState(encodeState(empty))) as [string, unknown][])).toEqual(
      new Map(fieldsOf(empty) as [string, unknown][]),
    );
  });

  it('says once what all keys begin with, and of the manifest that has a tag its place', () => {
    const written = text(encodeState(full));
    expect(written.split(OWN)).toHaveLength(2);
    expect(written).toContain('\n[["v1",0],["all",1],');
  });

  it('is refused when it is something else', () => {
    expect(() => decodeState(utf8('{"name": "team/app"}'))).toThrow();
    expect(() => decodeState(encodeState(full).subarray(1))).toThrow();
    expect(() => decodeState(encodeState(full).subarray(0, -1))).toThrow();
  });
});
