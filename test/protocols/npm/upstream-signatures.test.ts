import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { integrityOf } from '../../upstream/mock-registry.js';
import { jsonOf, type Proxying, proxying } from './upstream-house.js';

const KEYS = '/-/npm/v1/keys';
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });

interface Key {
  readonly keyid: string;
  readonly key: string;
}

const keyOf = (key: KeyObject, keyid = 'SHA256:theirs'): object => ({
  expires: null,
  keyid,
  keytype: 'ecdsa-sha2-nistp256',
  scheme: 'ecdsa-sha2-nistp256',
  key: key.export({ type: 'spki', format: 'der' }).toString('base64'),
});

/** The package `a`, signed by the upstream with a key that its keys route answers like this. */
async function signed(answer: () => unknown): Promise<Proxying> {
  const npm = await proxying();
  const bytes = await npm.upstream.publish({ name: 'a', version: '1.0.0' });
  const { dist } = npm.upstream.documents.get('a')?.['versions']['1.0.0'] ?? {};
  const sig = createSign('sha256')
    .update(`a@1.0.0:${integrityOf(bytes)}`)
    .sign(pair.privateKey)
    .toString('base64');
  dist.signatures = [{ keyid: 'SHA256:theirs', sig }];
  npm.upstream.script = ({ path }, response) => {
    if (!path.endsWith(KEYS)) return false;
    const given = answer();
    if (given === undefined) response.writeHead(500).end();
    else
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(typeof given === 'string' ? given : JSON.stringify(given));
    return true;
  };
  return npm;
}

const keysOf = async (npm: Proxying): Promise<readonly Key[]> => jsonOf(await npm.get(KEYS)).keys;

describe('npm 22, npm 38: signatures of another registry', () => {
  it('stay with the version, and the key is among ours', async () => {
    const npm = await signed(() => ({ keys: [keyOf(pair.publicKey)] }));
    await npm.publish({ name: 'own', version: '1.0.0' });
    const { dist } = jsonOf(await npm.get('/a/1.0.0'));
    const keys = await keysOf(npm);
    expect(keys.map(({ keyid }) => keyid === 'SHA256:theirs')).toEqual([false, true]);
    const theirs = keys.find(({ keyid }) => keyid === dist.signatures[0].keyid);
    const { createPublicKey, createVerify } = await import('node:crypto');
    const key = createPublicKey({ key: Buffer.from(theirs?.key ?? '', 'base64'), format: 'der', type: 'spki' });
    const verify = createVerify('sha256').update(`a@1.0.0:${dist.integrity}`);
    expect(verify.verify(key, dist.signatures[0].sig, 'base64')).toBe(true);
  });

  it('a key of theirs with the id of one of ours does not take its place', async () => {
    let id = '';
    const npm = await signed(() => ({ keys: [keyOf(pair.publicKey, id)] }));
    await npm.publish({ name: 'own', version: '1.0.0' });
    const [own] = await keysOf(npm);
    id = own?.keyid ?? '';
    npm.later(86_400);
    expect(await keysOf(npm)).toEqual([own]);
  });

  it.each([
    ['fails', () => undefined],
    ['sends a page', () => '<html>'],
    ['sends a list', () => []],
    [
      'sends keys that are none',
      () => ({ keys: [null, 7, {}, { keyid: 'x', key: 1 }, { ...keyOf(pair.publicKey), scheme: 'none' }] }),
    ],
    ['sends more than anybody has', () => ({ keys: ['x'.repeat(300_000)] })],
  ])('an upstream that %s: our own keys are there', async (_: string, answer: () => unknown) => {
    const npm = await signed(answer);
    await npm.publish({ name: 'own', version: '1.0.0' });
    const keys = await keysOf(npm);
    expect([keys.length, keys.some(({ keyid }) => keyid === 'SHA256:theirs')]).toEqual([1, false]);
    expect(npm.house.faults.every(({ where }) => where === 'npm upstream')).toBe(true);
  });

  it('N6: signatures that are none are left out', async () => {
    const npm = await signed(() => ({ keys: [] }));
    const { dist } = npm.upstream.documents.get('a')?.['versions']['1.0.0'] ?? {};
    dist.signatures = [{ keyid: '"},{"', sig: 'x' }, { keyid: 'x', sig: '</script>' }, null, 7, { keyid: 'ok', sig: 'AAAA' }];
    expect(jsonOf(await npm.get('/a/1.0.0')).dist.signatures).toEqual([{ keyid: 'ok', sig: 'AAAA' }]);
  });
});
