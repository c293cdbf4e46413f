import { createHash, createPublicKey, verify } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BASE, publishBody, type Registry, registry } from './rig.js';

let npm: Registry;
beforeEach(async () => {
  npm = await registry();
});
afterEach(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

type Json = Record<string, unknown>;
const SLSA = 'https://slsa.dev/provenance/v1';
const MEDIA = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');

interface Made {
  readonly document: Json;
  readonly statement: Json;
  readonly bundle: Json;
  readonly sha512: string;
  readonly file: string;
}

/** A publish as `npm publish --provenance` sends it: the tarball, and a bundle in the form of sigstore's about it. */
async function made(name: string, version: string): Promise<Made> {
  const file = `${name}-${version}`;
  const document = (await publishBody({ name, version })) as Json & { _attachments: Record<string, { data: string }> };
  const tarball = Buffer.from(document._attachments[`${file}.tgz`]?.data ?? '', 'base64');
  const sha512 = createHash('sha512').update(tarball).digest('hex');
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: `pkg:npm/${name.replace('@', '%40')}@${version}`, digest: { sha512 } }],
    predicateType: SLSA,
    predicate: {
      buildDefinition: { buildType: 'https://build.example/workflow/v1' },
      runDetails: { builder: { id: 'https://build.example' } },
    },
  };
  const bundle = {
    mediaType: MEDIA,
    verificationMaterial: { certificate: { rawBytes: 'TUlJ' }, tlogEntries: [{ logIndex: '12345' }] },
    dsseEnvelope: {
      payload: encode(statement),
      payloadType: 'application/vnd.in-toto+json',
      signatures: [{ sig: 'MEUC', keyid: '' }],
    },
  };
  return { document, statement, bundle, sha512, file };
}

function send({ document, file }: Made, bundle: unknown, name: string) {
  const data = typeof bundle === 'string' ? bundle : JSON.stringify(bundle);
  const attachments = document['_attachments'] as Json;
  const body = {
    ...document,
    _attachments: { ...attachments, [`${file}.sigstore`]: { content_type: MEDIA, data, length: data.length } },
  };
  return npm.put(`/${name.replace('/', '%2f')}`, body);
}

describe.each(['@team/signed', 'signed'])('npm 23: provenance of %s', (name) => {
  const path = `/-/npm/v1/attestations/${name.replace('/', '%2f')}@1.0.0`;

  it('is stored, named in dist.attestations, and served with the publish attestation of the registry', async () => {
    const one = await made(name, '1.0.0');
    expect((await send(one, one.bundle, name)).status).toBe(201);
    const url = `${BASE}${path}`;
    const expected = { url, provenance: { predicateType: SLSA } };
    const document = `/${name.replace('/', '%2f')}`;
    expect((await npm.get(`${document}/1.0.0`)).json.dist.attestations).toEqual(expected);
    expect((await npm.get(document)).json.versions['1.0.0'].dist.attestations).toEqual(expected);
    const abbreviated = { headers: { accept: 'application/vnd.npm.install-v1+json' } };
    expect((await npm.get(document, abbreviated)).json.versions['1.0.0'].dist.attestations).toEqual(expected);

    const answer = await npm.get(url.slice(BASE.length));
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
    const [published, provenance, ...others] = answer.json.attestations;
    expect(others).toEqual([]);
    expect(provenance).toEqual({ predicateType: SLSA, bundle: one.bundle });
    expect(published.predicateType).toMatch(/specs\/publish\/v0\.1$/);
    const { payload, payloadType, signatures } = published.bundle.dsseEnvelope;
    const statement = Buffer.from(payload, 'base64').toString('utf8');
    expect(JSON.parse(statement)).toEqual({
      _type: 'https://in-toto.io/Statement/v0.1',
      subject: [{ name: `pkg:npm/${name.replace('@', '%40')}@1.0.0`, digest: { sha512: one.sha512 } }],
      predicateType: published.predicateType,
      predicate: { name, version: '1.0.0', registry: BASE },
    });
    const [key] = (await npm.get('/-/npm/v1/keys')).json.keys;
    expect([signatures[0].keyid, published.bundle.verificationMaterial.publicKey.hint]).toEqual([key.keyid, key.keyid]);
    const spki = createPublicKey({ key: Buffer.from(key.key, 'base64'), format: 'der', type: 'spki' });
    const signed = `DSSEv1 ${payloadType.length} ${payloadType} ${statement.length} ${statement}`;
    expect(verify('sha256', Buffer.from(signed), spki, Buffer.from(signatures[0].sig, 'base64'))).toBe(true);
    // Signatures are random: what was said once is said again.
    expect((await npm.get(path)).text).toBe(answer.text);
  });

  it('goes with its version, and is seen by whom the package is seen by', async () => {
    const one = await made(name, '1.0.0');
    await send(one, one.bundle, name);
    expect((await npm.request('GET', path)).status).toBe(401);
    const { _rev } = (await npm.get(`/${name.replace('/', '%2f')}?write=true`)).json;
    await npm.request('DELETE', `/${name.replace('/', '%2f')}/-rev/${_rev}`, { token: npm.token });
    expect((await npm.get(path)).status).toBe(404);
  });
});

describe('npm 23: a bundle that is not about this tarball', () => {
  const changed = (statement: Json, fields: Json): Json => ({ ...statement, ...fields });
  const cases: readonly (readonly [string, (one: Made) => unknown])[] = [
    [
      'of another package',
      (one) => envelope(one, { subject: [{ name: 'pkg:npm/other@1.0.0', digest: { sha512: one.sha512 } }] }),
    ],
    ['of another version', (one) => envelope(one, { subject: [{ name: 'pkg:npm/a@1.0.1', digest: { sha512: one.sha512 } }] })],
    [
      'of another tarball',
      (one) => envelope(one, { subject: [{ name: 'pkg:npm/a@1.0.0', digest: { sha512: 'ab'.repeat(64) } }] }),
    ],
    ['without a digest', (one) => envelope(one, { subject: [{ name: 'pkg:npm/a@1.0.0' }] })],
    [
      'with two subjects',
      (one) => envelope(one, { subject: [0, 1].map(() => ({ name: 'pkg:npm/a@1.0.0', digest: { sha512: one.sha512 } })) }),
    ],
    ['with none', (one) => envelope(one, { subject: [] })],
    ['with another predicate', (one) => envelope(one, { predicateType: 'https://build.example/other' })],
    ['that is no statement', (one) => envelope(one, { _type: 'https://in-toto.io/Other/v1' })],
    [
      'without a signature',
      ({ bundle }) => ({ ...bundle, dsseEnvelope: { ...(bundle['dsseEnvelope'] as Json), signatures: [] } }),
    ],
    [
      'with a payload that is not base64',
      ({ bundle }) => ({ ...bundle, dsseEnvelope: { ...(bundle['dsseEnvelope'] as Json), payload: '{}' } }),
    ],
    [
      'with another payload type',
      ({ bundle }) => ({ ...bundle, dsseEnvelope: { ...(bundle['dsseEnvelope'] as Json), payloadType: 'text/plain' } }),
    ],
    ['of another media type', ({ bundle }) => ({ ...bundle, mediaType: 'application/json' })],
    ['without verification material', ({ bundle }) => ({ ...bundle, verificationMaterial: undefined })],
    ['that is empty', () => ({})],
    ['that is not JSON', () => 'sigstore'],
  ];
  const envelope = ({ bundle, statement }: Made, fields: Json): Json => ({
    ...bundle,
    dsseEnvelope: { ...(bundle['dsseEnvelope'] as Json), payload: encode(changed(statement, fields)) },
  });

  it.each(cases)('%s is refused, and nothing is kept', async (_, bundleOf) => {
    const one = await made('a', '1.0.0');
    const refused = await send(one, bundleOf(one), 'a');
    expect(refused.status, refused.text).toBe(400);
    expect(refused.json.error).toMatch(/provenance bundle/);
    expect((await npm.get('/a')).status).toBe(404);
    expect((await npm.driver.list('objects/')).objects).toEqual([]);
  });

  it('and the unchanged one is taken', async () => {
    const one = await made('a', '1.0.0');
    expect((await send(one, one.bundle, 'a')).status).toBe(201);
  });
});
