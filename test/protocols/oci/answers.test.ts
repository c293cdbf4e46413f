import { afterEach, beforeEach, expect, it } from 'vitest';
import { digestOf, IMAGE, INDEX, type Oci, registry } from './rig.js';

const NAME = 'team/app';

let oci: Oci;
beforeEach(async () => {
  oci = await registry({ anonymousRead: true });
});
afterEach(async () => {
  expect(oci.faults).toEqual([]);
  await oci.close();
});

it('oci 37: what may change nothing is granted reading, and the answer says no more', async () => {
  await oci.image(NAME, 'v1');
  const reader = await oci.user('ann', { readonly: true });
  const headers = { authorization: `Basic ${Buffer.from(`x:${reader}`).toString('base64')}` };
  const asked = (actions: string) => oci.get(`/v2/token?scope=repository:${NAME}:${actions}`, { token: null, headers });
  for (const actions of ['pull,push', '*', 'pull,push,delete'])
    expect([actions, (await asked(actions)).json.scope]).toEqual([actions, `repository:${NAME}:pull`]);
  expect((await asked('push')).json.scope).toBe('');
  const { token } = (await asked('pull,push')).json;
  expect((await oci.get(`/v2/${NAME}/manifests/v1`, { token })).status).toBe(200);
  const push = await oci.request('POST', `/v2/${NAME}/blobs/uploads/`, { token, body: new Uint8Array(0) });
  expect([push.status, push.code]).toEqual([403, 'DENIED']);
});

it('oci 37: a session is handed out to those who see it: HEAD makes none, and no lasting token', async () => {
  await oci.user('ben', { password: 'correct horse' });
  const id = (await oci.directory.find('ben'))?.id ?? '';
  const before = (await oci.directory.listTokens(id)).length;
  const headers = { authorization: `Basic ${Buffer.from('ben:correct horse').toString('base64')}` };
  for (const path of ['/v2/token', '/token']) {
    const answer = await oci.head(`${path}?offline_token=true`, { token: null, headers });
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, POST']);
  }
  expect(await oci.directory.listTokens(id)).toHaveLength(before);
});

it('oci 37, oci 40: an administrator pushes to the images of others and deletes them with a session that opens it, and no more', async () => {
  await oci.image(NAME, 'v1');
  const body = (await oci.get(`/v2/${NAME}/manifests/v1`)).text;
  const chief = await oci.user('root', { admin: true });
  const limited = await oci.user('root', { scopes: [`oci:repository:${NAME}:pull`, `oci:repository:${NAME}:push`] });
  const other = await oci.user('ben');
  const tried = async (credentials: string, actions: string): Promise<readonly number[]> => {
    const { token } = (await oci.get(`/v2/token?scope=repository:${NAME}:${actions}`, { token: credentials })).json;
    const push = await oci.request('POST', `/v2/${NAME}/blobs/uploads/?digest=${digestOf('x')}`, { token, body: 'x' });
    const tag = await oci.put(NAME, 'v2', body, { token });
    const removed = await oci.remove(`/v2/${NAME}/manifests/v2`, { token });
    return [push.status, tag.status, removed.status];
  };
  expect(await tried(chief, 'pull,push,delete')).toEqual([201, 201, 202]);
  expect(await tried(chief, '*')).toEqual([201, 201, 202]);
  expect(await tried(chief, 'pull,push')).toEqual([201, 201, 401]);
  expect(await tried(chief, 'delete')).toEqual([401, 401, 202]);
  expect(await tried(limited, 'pull,push,delete')).toEqual([403, 403, 403]);
  expect(await tried(other, 'pull,push,delete')).toEqual([403, 403, 403]);
  const { id = '' } = (await oci.directory.find('root')) ?? {};
  const build = await oci.gate.createWorkloadToken(id, 'oci', [`oci:repository:${NAME}:push`], 60);
  expect((await oci.put(NAME, 'v2', body, { token: build })).status).toBe(401);
});

it('oci 30: an artifactType that is empty is no filter, and the answer does not say that it was one', async () => {
  const image = await oci.image(NAME, 'v1');
  const subject = { mediaType: IMAGE, digest: image.digest, size: image.size };
  await oci.put(NAME, 'plain', { schemaVersion: 2, mediaType: INDEX, manifests: [], subject }, { type: INDEX });
  await oci.image(NAME, 'typed', 'layer', { subject, artifactType: 'a/b' });
  for (const [query, count, applied] of [
    ['?artifactType=', 2, undefined],
    ['?artifactType', 2, undefined],
    ['?artifactType=a/b', 1, 'artifactType'],
  ] as const) {
    const { json, headers } = await oci.get(`/v2/${NAME}/referrers/${image.digest}${query}`);
    expect([query, json.manifests.length, headers['oci-filters-applied']]).toEqual([query, count, applied]);
  }
});

it('oci 13, oci 15: a digest that is missing, bytes behind a mount: the answer says what is wrong', async () => {
  const said = async (method: string, path: string, body: string): Promise<unknown> =>
    (await oci.request(method, path, { body })).json.errors[0];
  const opened = await oci.request('POST', `/v2/${NAME}/blobs/uploads/`, { body: new Uint8Array(0) });
  expect(await said('PUT', opened.headers['location'] ?? '', 'x')).toEqual({
    code: 'DIGEST_INVALID',
    message: 'the digest is missing: PUT ends an upload with ?digest=',
  });
  const mount = `/v2/${NAME}/blobs/uploads/?mount=${digestOf('x')}&from=team/other&digest=${digestOf('x')}`;
  expect(await said('POST', mount, 'x')).toEqual({ code: 'SIZE_INVALID', message: 'a mount takes no bytes' });
  expect(await said('POST', `/v2/${NAME}/blobs/uploads/`, 'x')).toEqual({
    code: 'SIZE_INVALID',
    message: 'bytes without a digest: use ?digest= or PATCH',
  });
});
