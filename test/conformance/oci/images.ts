import { expect } from 'vitest';
import { type Answered, digestOf } from './client.js';
import { type Content, type Descriptor, IMAGE, INDEX, type Manifest } from './content.js';
import { blobAt, expectError, getBlob, headBlob, locationOf, pushBlob, removeBlob, type Talk } from './uploads.js';

export const manifestAt = (name: string, reference: string): string => `/v2/${name}/manifests/${reference}`;

async function put(
  talk: Talk,
  name: string,
  reference: string,
  { mediaType, bytes, digest, subject }: Manifest,
): Promise<Answered> {
  const answer = await talk.ask(201, 'PUT', manifestAt(name, reference), { body: bytes, headers: { 'content-type': mediaType } });
  expect(answer.headers['docker-content-digest']).toBe(digest);
  expect(locationOf(answer)).toContain(manifestAt(name, digest));
  expect(answer.headers['oci-subject']).toBe(subject);
  const kept = await talk.ask(200, 'GET', locationOf(answer), { headers: { accept: `${INDEX}, ${IMAGE}` } });
  expect([kept.headers['content-type'], kept.bytes.equals(bytes)]).toEqual([mediaType, true]);
  return answer;
}

/** Blobs, then each manifest by its digest, then the tags. */
export async function push(talk: Talk, name: string, content: Content, withTags = false): Promise<void> {
  for (const [digest, bytes] of content.blobs) await pushBlob(talk, name, digest, bytes);
  const tagsOf = (digest: string): readonly string[] => [...content.tags].filter(([, to]) => to === digest).map(([tag]) => tag);
  for (const manifest of content.manifests) {
    const tags = withTags ? tagsOf(manifest.digest) : [];
    const query = tags.length === 0 ? '' : `?${tags.map((tag) => `tag=${tag}`).join('&')}`;
    const { headers } = await put(talk, name, `${manifest.digest}${query}`, manifest);
    const told = (headers['oci-tag'] ?? '').split(',').map((tag) => tag.trim());
    expect(told.filter((tag) => tag !== '').sort()).toEqual([...tags].sort());
  }
  if (withTags) return;
  for (const [tag, digest] of content.tags) {
    const manifest = content.manifests.find((one) => one.digest === digest);
    if (manifest) await put(talk, name, tag, manifest);
  }
}

const tagsIn = ({ bytes }: Answered): readonly string[] => (JSON.parse(bytes.toString('utf8')) as { tags: string[] }).tags;

/** In order, whole, and from any place on. */
export async function list(talk: Talk, name: string, content: Content): Promise<void> {
  const wanted = [...content.tags.keys()].sort();
  const at = `/v2/${name}/tags/list`;
  const whole = await talk.ask(200, 'GET', at);
  expect(JSON.parse(whole.bytes.toString('utf8'))).toEqual({ name, tags: wanted });
  for (const [n, last] of wanted.entries())
    expect(tagsIn(await talk.ask(200, 'GET', `${at}?last=${last}`))).toEqual(wanted.slice(n + 1));
  for (let n = 1; n <= wanted.length; n += 1) {
    const paged: string[] = [];
    for (let next: string | undefined = `${at}?n=${n}`; next !== undefined; ) {
      const page: Answered = await talk.ask(200, 'GET', next);
      expect(tagsIn(page).length).toBeLessThanOrEqual(n);
      paged.push(...tagsIn(page));
      next = /^<([^>]+)>;\s*rel="?next"?/.exec(page.headers['link'] ?? '')?.[1];
      expect(paged.length).toBeLessThanOrEqual(wanted.length);
    }
    expect(paged).toEqual(wanted);
  }
}

/** By each name that it has. */
const names = (content: Content): readonly (readonly [string, Manifest])[] => [
  ...content.manifests.map((manifest) => [manifest.digest, manifest] as const),
  ...[...content.tags].flatMap(([tag, digest]) => {
    const manifest = content.manifests.find((one) => one.digest === digest);
    return manifest ? [[tag, manifest] as const] : [];
  }),
];

function expectManifest({ headers }: Answered, { mediaType, digest, size }: Manifest): void {
  expect(headers['content-type']).toBe(mediaType);
  expect(headers['content-length']).toBe(String(size));
  expect(headers['docker-content-digest']).toBe(digest);
}

export async function head(talk: Talk, name: string, content: Content): Promise<void> {
  for (const [reference, manifest] of names(content))
    expectManifest(await talk.ask(200, 'HEAD', manifestAt(name, reference)), manifest);
  for (const [digest, { byteLength }] of content.blobs) await headBlob(talk, name, digest, byteLength);
}

export async function pull(talk: Talk, name: string, content: Content): Promise<void> {
  for (const [reference, manifest] of names(content)) {
    const headers = { accept: manifest.mediaType };
    const answer = await talk.ask(200, 'GET', manifestAt(name, reference), { headers });
    expectManifest(answer, manifest);
    expect(answer.bytes.equals(manifest.bytes)).toBe(true);
  }
  for (const [digest, bytes] of content.blobs) await getBlob(talk, `/v2/${name}/blobs/${digest}`, digest, bytes);
}

const asReferrer = ({ mediaType, digest, size, artifactType, annotations }: Descriptor): Descriptor => ({
  mediaType,
  digest,
  size,
  ...(artifactType === undefined ? {} : { artifactType }),
  ...(annotations === undefined ? {} : { annotations }),
});

async function referrersOf(talk: Talk, name: string, subject: string, query = ''): Promise<readonly Descriptor[]> {
  const answer = await talk.ask(200, 'GET', `/v2/${name}/referrers/${subject}${query}`);
  expect(answer.headers['content-type']).toBe(INDEX);
  expect(answer.headers['oci-filters-applied']).toBe(query === '' ? undefined : 'artifactType');
  const index = JSON.parse(answer.bytes.toString('utf8')) as { manifests: Descriptor[] };
  expect(index).toMatchObject({ schemaVersion: 2, mediaType: INDEX });
  return index.manifests;
}

const byDigest = (a: Descriptor, b: Descriptor): number => (a.digest < b.digest ? -1 : 1);

export async function referrers(talk: Talk, name: string, content: Content): Promise<void> {
  const subjects = new Set(content.manifests.flatMap(({ subject }) => subject ?? []));
  for (const subject of subjects) {
    const wanted = content.manifests.filter((one) => one.subject === subject).map(asReferrer);
    expect([...(await referrersOf(talk, name, subject))].sort(byDigest)).toEqual([...wanted].sort(byDigest));
    const kinds = new Set(wanted.flatMap(({ artifactType }) => artifactType ?? []));
    for (const kind of [...kinds, 'application/vnd.example.nothing']) {
      const some = await referrersOf(talk, name, subject, `?artifactType=${encodeURIComponent(kind)}`);
      expect([...some].sort(byDigest)).toEqual(wanted.filter((one) => one.artifactType === kind).sort(byDigest));
    }
  }
}

/** Tags, then manifests from the outermost inwards, then blobs: each is gone at once, and nothing else is. */
export async function remove(talk: Talk, name: string, content: Content): Promise<void> {
  const tags = new Map(content.tags);
  for (const [tag, digest] of content.tags) {
    // every other one goes with its manifest
    if (tags.size % 2 === 0) continue;
    await talk.ask(202, 'DELETE', manifestAt(name, tag));
    tags.delete(tag);
    for (const method of ['HEAD', 'GET']) await talk.ask(404, method, manifestAt(name, tag));
    await talk.ask(200, 'HEAD', manifestAt(name, digest));
    await expectTags(talk, name, [...tags.keys()]);
  }
  const [kept] = content.blobs.keys();
  const named = content.manifests.some(({ bytes }) => kept !== undefined && bytes.includes(kept));
  if (kept !== undefined && named) {
    expectError(await talk.ask(405, 'DELETE', blobAt(name, kept)), 'UNSUPPORTED');
    await talk.ask(200, 'HEAD', blobAt(name, kept));
  }
  const left = [...content.manifests].reverse();
  for (const { digest, subject } of [...left]) {
    await talk.ask(202, 'DELETE', manifestAt(name, digest));
    left.shift();
    for (const method of ['HEAD', 'GET']) await talk.ask(404, method, manifestAt(name, digest));
    for (const [tag, to] of [...tags]) if (to === digest) tags.delete(tag);
    await expectTags(talk, name, [...tags.keys()]);
    if (subject === undefined) continue;
    const others = left.filter((one) => one.subject === subject).map((one) => one.digest);
    expect((await referrersOf(talk, name, subject)).map((one) => one.digest).sort()).toEqual(others.sort());
  }
  for (const digest of content.blobs.keys()) await removeBlob(talk, name, digest);
}

/** A repository in which nothing is left may be as unknown as one that never was. */
async function expectTags(talk: Talk, name: string, tags: readonly string[]): Promise<void> {
  const answer = await talk.ask(tags.length === 0 ? [200, 404] : 200, 'GET', `/v2/${name}/tags/list`);
  if (answer.status === 200) expect(tagsIn(answer)).toEqual([...tags].sort());
}

/** A manifest of other bytes than its digest says, and one that names what is not there. */
export async function refuse(talk: Talk, name: string, { bytes, mediaType, digest }: Manifest): Promise<void> {
  const headers = { 'content-type': mediaType };
  const spoilt = Buffer.concat([bytes, Buffer.from('  ')]);
  for (const reference of [digest, 'sha256:baddigeststring', digestOf('other')])
    await talk.ask(400, 'PUT', manifestAt(name, reference), { body: spoilt, headers });
  await talk.ask(404, 'HEAD', manifestAt(name, digest));
}
