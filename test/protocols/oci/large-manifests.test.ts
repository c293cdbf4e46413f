import { expect, it } from 'vitest';
import { utf8 } from '../../../ts/lib/bytes.js';
import { INDEX, manifestFields, parseManifest } from '../../../ts/protocols/oci/manifest.js';
import { turnsDuring } from '../../formats/turns.js';

const names = (count: number): string => Array.from({ length: count }, (_, at) => `"${at.toString(36)}":"x"`).join(',');
const digest = `sha256:${'a'.repeat(64)}`;
const index = (more: string): Uint8Array => utf8(`{"schemaVersion":2,"mediaType":"${INDEX}","manifests":[]${more}}`);

it('R1: an index of as many references as there may be is read in slices', async () => {
  const platform = '"platform":{"architecture":"amd64","os":"linux"}';
  const child = `{"mediaType":"a/b","digest":"${digest}","size":2,${platform}}`;
  const bytes = utf8(`{"schemaVersion":2,"mediaType":"${INDEX}","manifests":[${Array(8_192).fill(child).join(',')}]}`);
  let children = 0;
  const turns = await turnsDuring(async () => {
    children = (await parseManifest(bytes, INDEX)).children.length;
  });
  expect(children).toBe(8_192);
  expect(turns).toBeGreaterThanOrEqual(Math.floor(bytes.byteLength / (65 * 1024)));
});

it('R1: more than 100,000 names in a manifest are refused', async () => {
  await expect(manifestFields(index(`,"x":{${names(100_001)}}`))).rejects.toMatchObject({
    kind: 'invalid',
    detail: { reason: 'the manifest has more than 100000 members in its objects' },
  });
  expect(Object.keys((await manifestFields(index(`,"x":{${names(90_000)}}`)))['x'] as object)).toHaveLength(90_000);
});

it('R1: of too many annotations no more is looked at than would be kept', async () => {
  let looked = 0;
  const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`name-${at}`, 'x']));
  const subject = { mediaType: 'a/b', digest, size: 2 };
  const text = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], annotations: many, subject });
  const { values } = Object;
  Object.values = (of: object) => {
    looked += 1;
    return values(of);
  };
  try {
    expect((await parseManifest(utf8(text), INDEX)).annotations).toBeNull();
  } finally {
    Object.values = values;
  }
  expect(looked).toBe(0);
});
