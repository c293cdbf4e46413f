import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NewToken } from '../../ts/auth/mint.js';
import { bearer, member, scratch, serveHere } from './launch.js';

const digestOf = (bytes: string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const IMAGE = 'application/vnd.oci.image.manifest.v1+json';

async function server(features: Readonly<Record<string, boolean>> = {}) {
  const folder = scratch();
  const storage = `file:${join(folder, 'data')}`;
  const file = join(folder, 'entrepot.json');
  writeFileSync(file, JSON.stringify({ oci: { enabled: true, features } }));
  const serving = await serveHere({ storage, 'anonymous-read': '*', config: file });
  const ask = (method: string, path: string, token?: string, init: { body?: string; type?: string } = {}): Promise<Response> =>
    fetch(serving.url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : bearer(token)),
        ...(init.type === undefined ? {} : { 'content-type': init.type }),
      },
      ...(init.body === undefined ? {} : { body: init.body }),
    });
  const user = (name: string, asked?: NewToken): Promise<string> => member(storage, name, asked);
  const push = async (name: string, token: string): Promise<number> => {
    const { status } = await ask('POST', `/v2/${name}/blobs/uploads/?digest=${digestOf('{}')}`, token, { body: '{}' });
    if (status !== 201) return status;
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 };
    const body = JSON.stringify({ schemaVersion: 2, config, layers: [] });
    return (await ask('PUT', `/v2/${name}/manifests/v1`, token, { body, type: IMAGE })).status;
  };
  const rule = (name: string, what: 'visibility' | 'owners', value: unknown, token?: string): Promise<Response> =>
    ask('PUT', `/-/api/v1/repositories/oci/packages/${encodeURIComponent(name)}/${what}`, token, {
      body: JSON.stringify({ [what]: value }),
    });
  const pull = async (name: string, token?: string): Promise<number> =>
    (await ask('GET', `/v2/${name}/manifests/v1`, token)).status;
  return { ...serving, ask, user, push, rule, pull };
}

describe('rules of an image repository', () => {
  it('restricted: strangers hear what they hear of one that is not there, and no list shows it', async () => {
    const { ask, user, push, rule, pull } = await server();
    const [ann, bob] = [await user('ann'), await user('bob')];
    expect([await push('team/app', ann), await push('team/open', ann)]).toEqual([201, 201]);
    expect(await pull('team/app')).toBe(200);
    for (const [who, status] of [
      [undefined, 401],
      [bob, 403],
      [ann, 200],
    ] as const)
      expect((await rule('team/app', 'visibility', 'restricted', who)).status).toBe(status);
    expect([await pull('team/app'), await pull('team/app', bob)]).toEqual([401, 200]);
    const said = async (name: string): Promise<string> => {
      const answer = await ask('GET', `/v2/${name}/manifests/v1`);
      return `${answer.status} ${answer.headers.get('www-authenticate')} ${await answer.text()}`.replaceAll(name, '***');
    };
    expect(await said('team/app')).toBe(await said('team/none'));
    for (const path of ['/v2/_catalog', '/v1/search?q=team']) {
      expect(await (await ask('GET', path)).text()).not.toContain('team/app');
      expect(await (await ask('GET', path, bob)).text()).toContain('team/app');
    }
    expect((await rule('team/app', 'visibility', 'public', ann)).status).toBe(200);
    expect(await pull('team/app')).toBe(200);
  });

  it('owners: they alone push, and hand it on', async () => {
    const { ask, user, push, rule, token } = await server();
    const [ann, bob] = [await user('ann'), await user('bob')];
    await push('team/app', ann);
    expect(await push('team/app', bob)).toBe(403);
    expect((await rule('team/app', 'owners', ['bob'], bob)).status).toBe(403);
    expect((await rule('team/app', 'owners', ['nobody-at-all'], ann)).status).toBe(400);
    expect((await rule('team/app', 'owners', [], ann)).status).toBe(400);
    expect((await rule('team/none', 'owners', ['ann'], token)).status).toBe(404);
    expect((await rule('team/app', 'owners', ['bob', 'bob'], ann)).status).toBe(200);
    expect([await push('team/app', bob), await push('team/app', ann)]).toEqual([201, 403]);
    const history = await ask('GET', '/-/api/v1/repositories/oci/packages/team%2Fapp/history', bob);
    expect(await history.text()).toContain('"owners"');
  });

  it.each([
    ['immutableTags:v*', true, 'the tag v1 is immutable'],
    ['delete', false, 'deletion is switched off'],
  ])('O10: %s holds on the management surface too, whoever asks', async (feature, on, why) => {
    const { ask, user, push, pull, token } = await server({ [feature]: on });
    const ann = await user('ann');
    await push('team/app', ann);
    const digest = (await ask('HEAD', '/v2/team/app/manifests/v1', ann)).headers.get('docker-content-digest') ?? '';
    const image = '/-/api/v1/repositories/oci/packages/team%2Fapp';
    for (const who of [ann, token])
      for (const path of [`${image}/versions/v1`, `${image}/versions/${encodeURIComponent(digest)}`, image]) {
        const answer = await ask('DELETE', path, who);
        expect([path, answer.status]).toEqual([path, 403]);
        expect(await answer.text()).toContain(why);
      }
    expect(await pull('team/app', ann)).toBe(200);
  });

  it('a robot is limited to one repository and one action', async () => {
    const { user, push, pull, ask } = await server();
    const ann = await user('ann');
    await push('team/app', ann);
    await push('team/other', ann);
    const reader = await user('ann', { scopes: ['oci:repository:team/app:pull'] });
    const pusher = await user('ann', { scopes: ['oci:repository:team/app:push'] });
    expect([await pull('team/app', reader), await push('team/app', reader)]).toEqual([200, 403]);
    expect([await push('team/app', pusher), await push('team/other', pusher)]).toEqual([201, 403]);
    expect((await ask('DELETE', '/v2/team/app/manifests/v1', pusher)).status).toBe(403);
    expect((await ask('GET', '/v2/team/other/manifests/v1', reader)).status).toBe(404);
  });
});
