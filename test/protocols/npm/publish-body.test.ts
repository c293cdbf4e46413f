import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../../ts/errors/registry-error.js';
import { concat, text, utf8 } from '../../../ts/lib/bytes.js';
import { type PublishBody, type PublishSink, readPublishBody } from '../../../ts/protocols/npm/publish-body.js';
import { collect, inPieces } from '../../formats/pieces.js';

type Kept = { readonly fileName: string; readonly contentType: string | undefined; readonly bytes: Uint8Array };

const keep: PublishSink<Kept> = {
  tarball: async (fileName, contentType, bytes) => ({ fileName, contentType, bytes: await collect(bytes) }),
};

const read = (body: string | object, size = 65_536, sink = keep): Promise<PublishBody<Kept>> =>
  readPublishBody(inPieces(utf8(typeof body === 'string' ? body : JSON.stringify(body)), size), sink);

async function refusal(body: string | object, size?: number): Promise<RegistryError> {
  const error: unknown = await read(body, size).then(
    () => new Error('was accepted'),
    (reason: unknown) => reason,
  );
  if (error instanceof RegistryError) return error;
  throw error;
}

const TARBALL = randomBytes(100_001);
const attachment = { content_type: 'application/octet-stream', data: TARBALL.toString('base64'), length: TARBALL.length };
const BUNDLE = JSON.stringify({ mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', content: '"ü"' });
const manifest = { name: '@scope/tst', version: '1.0.0', readme: '# tst', dist: { shasum: 'x' } };
const document = {
  _id: '@scope/tst',
  name: '@scope/tst',
  description: 'a test',
  'dist-tags': { latest: '1.0.0' },
  versions: { '1.0.0': manifest },
  access: null,
  _attachments: { '@scope/tst-1.0.0.tgz': attachment },
};

describe('the document of npm publish', () => {
  it.each([1, 1000, 65_536, 1_000_000])('npm 1: gives its parts and the tarball, in pieces of %i bytes', async (size) => {
    const body = await read(document, size);
    expect(body).toMatchObject({
      id: '@scope/tst',
      name: '@scope/tst',
      access: undefined,
      rev: undefined,
    });
    expect([...(body.distTags ?? [])]).toEqual([['latest', '1.0.0']]);
    expect([...(body.versions?.keys() ?? [])]).toEqual(['1.0.0']);
    const sent = body.versions?.get('1.0.0');
    expect(await sent?.parse()).toEqual(manifest);
    expect(text(sent?.bytes ?? new Uint8Array(0))).toBe(JSON.stringify(manifest));
    expect(body.tarball).toMatchObject({
      fileName: '@scope/tst-1.0.0.tgz',
      contentType: 'application/octet-stream',
      length: TARBALL.length,
    });
    expect(Buffer.from(body.tarball?.result.bytes ?? []).equals(TARBALL)).toBe(true);
    expect(body.bundle).toBeUndefined();
  });

  it('comes in any order of members, in attachments too', async () => {
    const members = Object.entries(document);
    const order = fc.shuffledSubarray(members, { minLength: members.length });
    const inner = fc.shuffledSubarray(Object.entries(attachment), { minLength: 3 });
    await fc.assert(
      fc.asyncProperty(order, inner, async (entries, fields) => {
        const shuffled: Record<string, unknown> = Object.fromEntries(entries);
        shuffled['_attachments'] = { 'tst-1.0.0.tgz': Object.fromEntries(fields) };
        const body = await read(shuffled, 9000);
        expect(body.tarball).toMatchObject({ contentType: 'application/octet-stream', length: TARBALL.length });
        expect(body.versions?.size).toBe(1);
      }),
      { numRuns: 30, seed: 20_260_511 },
    );
  });

  it('tells the sink the type where it is known before the data', async () => {
    const { content_type, data, length } = attachment;
    const first = await read({ ...document, _attachments: { 'a.tgz': { content_type, data, length } } });
    const last = await read({ ...document, _attachments: { 'a.tgz': { data, length, content_type } } });
    expect([first.tarball?.result.contentType, last.tarball?.result.contentType]).toEqual([content_type, undefined]);
  });

  it('npm 23: may carry a provenance bundle, on either side of the tarball', async () => {
    const bundle = { content_type: 'application/vnd.dev.sigstore.bundle.v0.3+json', data: BUNDLE, length: BUNDLE.length };
    for (const attachments of [
      { 'tst-1.0.0.tgz': attachment, 'tst-1.0.0.sigstore': bundle },
      { 'tst-1.0.0.sigstore': bundle, 'tst-1.0.0.tgz': attachment },
      { 'tst-1.0.0.sigstore': { ...bundle, length: Buffer.byteLength(BUNDLE) }, 'tst-1.0.0.tgz': attachment },
    ]) {
      const body = await read({ ...document, _attachments: attachments });
      expect(body.bundle).toEqual({ fileName: 'tst-1.0.0.sigstore', contentType: bundle.content_type, text: BUNDLE });
      expect(body.tarball?.length).toBe(TARBALL.length);
    }
  });

  it('R17: reads the data no faster than the sink takes it', async () => {
    let pulled = 0;
    async function* source() {
      yield utf8('{"name":"a","versions":{"1.0.0":{}},"_attachments":{"a.tgz":{"data":"');
      for (; pulled < 200; pulled++) yield utf8('QUJD'.repeat(25_000));
      yield utf8('"}}}');
    }
    let atFirst = 0;
    const body = await readPublishBody(source(), {
      tarball: async (_name, _type, bytes) => {
        let size = 0;
        for await (const piece of bytes) {
          if (size === 0) {
            await new Promise((resolve) => setTimeout(resolve, 20));
            atFirst = pulled;
          }
          size += piece.length;
        }
        return size;
      },
    });
    expect(atFirst).toBeLessThan(8);
    expect(body.tarball?.result).toBe(200 * 75_000);
  });

  it('checks also what the sink leaves unread', async () => {
    const lazy: PublishSink<Kept> = {
      tarball: async (fileName, contentType, bytes) => {
        for await (const _ of bytes) break;
        return { fileName, contentType, bytes: new Uint8Array(0) };
      },
    };
    expect((await read(document, 1000, lazy)).tarball?.length).toBe(TARBALL.length);
    const broken = JSON.stringify(document).replace(/.{4}","length"/, '!!!!","length"');
    await expect(read(broken, 1000, lazy)).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('base64') });
  });

  it('passes what the sink throws as it is, and closes the source', async () => {
    const failure = new Error('storage is full');
    let closed = false;
    async function* source() {
      try {
        yield* inPieces(utf8(JSON.stringify(document)), 1000);
      } finally {
        closed = true;
      }
    }
    const failing: PublishSink<never> = {
      tarball: async (_name, _type, bytes) => {
        for await (const _ of bytes) throw failure;
        throw new Error('no bytes');
      },
    };
    await expect(readPublishBody(source(), failing)).rejects.toBe(failure);
    expect(closed).toBe(true);
  });

  it('tells the sink when the body breaks, and throws the same', async () => {
    const failure = new RegistryError('request_timeout', 'too slow');
    async function* source() {
      yield utf8(JSON.stringify(document).slice(0, 60_000));
      throw failure;
    }
    let told: unknown;
    const noting: PublishSink<unknown> = {
      tarball: async (_name, _type, bytes) => {
        try {
          return await collect(bytes);
        } catch (error) {
          told = error;
          throw error;
        }
      },
    };
    await expect(readPublishBody(source(), noting)).rejects.toBe(failure);
    expect(told).toBe(failure);
  });
});

describe('documents without a tarball', () => {
  it('npm 10: a packument of 5,000 versions, as npm deprecate sends it', async () => {
    const versions = Object.fromEntries(
      Array.from({ length: 5000 }, (_, patch) => [
        `1.0.${patch}`,
        { name: 'a', version: `1.0.${patch}`, deprecated: patch % 2 ? 'old' : '', scripts: { test: 'x'.repeat(2000) } },
      ]),
    );
    const body = await read({
      _id: 'a',
      _rev: '7-abc',
      name: 'a',
      'dist-tags': {},
      versions,
      time: { created: 'x' },
      maintainers: [],
    });
    expect(body.versions?.size).toBe(5000);
    expect(await body.versions?.get('1.0.4999')?.parse()).toMatchObject({ deprecated: 'old' });
    expect(body).toMatchObject({ rev: '7-abc', tarball: undefined });
  });

  it('npm 14: owners, without versions', async () => {
    const body = await read({ _id: 'a', _rev: '1-a', maintainers: [{ name: 'bob', email: 'b@x.example' }] });
    expect(body.maintainers).toEqual([{ name: 'bob', email: 'b@x.example' }]);
    expect(body.versions).toBeUndefined();
    expect(body.distTags).toBeUndefined();
  });

  it('stars', async () => {
    const body = await read({ _id: 'a', _rev: '1-a', users: { bob: true, amy: false, constructor: true } });
    expect([...(body.users ?? [])]).toEqual([
      ['bob', true],
      ['amy', false],
      ['constructor', true],
    ]);
  });

  it('with empty attachments, and with members that nobody knows', async () => {
    const body = await read({
      name: 'a',
      versions: {},
      _attachments: {},
      readme: null,
      homepage: { deep: [1, { x: null }] },
      keywords: 3,
    });
    expect(body).toMatchObject({ name: 'a', tarball: undefined });
    expect(body.versions?.size).toBe(0);
  });

  it('P1: keeps odd names as plain data', async () => {
    const body = await read(
      '{"name":"a","dist-tags":{"constructor":"1.0.0","toString":"1.0.0"},"versions":{"prototype":{"valueOf":1}}}',
    );
    expect([...(body.distTags?.keys() ?? [])]).toEqual(['constructor', 'toString']);
    expect(await body.versions?.get('prototype')?.parse()).toEqual({ valueOf: 1 });
    expect(body.versions?.get('constructor')).toBeUndefined();
  });
});

describe('the document is refused', () => {
  const withAttachment = (value: unknown, name = 'a-1.0.0.tgz'): object => ({ ...document, _attachments: { [name]: value } });
  const json = JSON.stringify(document);

  it.each([
    ['an unknown attachment', withAttachment(attachment, 'a-1.0.0.zip'), 'unknown attachment "a-1.0.0.zip"'],
    [
      'a wrong length',
      withAttachment({ ...attachment, length: TARBALL.length + 1 }),
      'announced with 100002 bytes and has 100001',
    ],
    ['a negative length', withAttachment({ ...attachment, length: -1 }), 'malformed length'],
    ['a length that is no number', withAttachment({ ...attachment, length: '5' }), 'malformed length'],
    ['broken base64', withAttachment({ data: '####' }), 'not valid base64'],
    ['base64 without its padding', withAttachment({ data: 'QUI' }), 'not valid base64'],
    ['data that is no string', withAttachment({ data: { __data: 'QUJD' } }), 'no string'],
    ['no data', withAttachment({ stub: true, length: 3 }), 'no data'],
    ['an attachment that is no object', withAttachment('QUJD'), 'not valid JSON'],
    ['attachments that are no object', { ...document, _attachments: [] }, 'not valid JSON'],
    ['two tarballs', { ...document, _attachments: { 'a.tgz': attachment, 'b.tgz': attachment } }, 'more than one tarball'],
    ['M2: a tarball and two versions', { ...document, versions: { '1.0.0': {}, '1.0.1': {} } }, 'exactly one version'],
    ['a tarball and no version', { ...document, versions: {} }, 'exactly one version'],
    ['a tarball without versions', { name: 'a', _attachments: document._attachments }, 'exactly one version'],
    ['a bundle alone', withAttachment({ data: '{}' }, 'a.sigstore'), 'with its tarball'],
    ['a bundle that is not JSON', withAttachment({ data: 'QUJD' }, 'a.sigstore'), 'provenance bundle is not valid JSON'],
    ['a manifest that is no object', { versions: { '1.0.0': [] } }, 'must be an object'],
    ['versions that are no object', { versions: ['1.0.0'] }, 'not valid JSON'],
    ['a tag that is no string', { 'dist-tags': { latest: 1 } }, 'must be a string'],
    ['a name that is no string', { name: 1 }, 'name must be a string'],
    ['owners that are no array', { maintainers: { bob: true } }, 'maintainers must be an array'],
    ['stars that are no object', { users: [] }, 'users must be an object'],
    ['something behind its end', `${json}{}`, 'behind its end'],
    ['an array', '[]', 'not valid JSON'],
    ['nothing', '', 'cut off'],
    ['a member that stands twice', '{"name":"a","name":"b"}', 'twice'],
    ['_attachments that stand twice', '{"_attachments":{},"_attachments":{}}', 'twice'],
    ['a version that stands twice', '{"versions":{"1.0.0":{},"1.0.0":{}}}', 'twice'],
    ['a tag that stands twice', '{"dist-tags":{"a":"1.0.0","a":"1.0.1"}}', 'twice'],
    ['an attachment that stands twice', '{"_attachments":{"a.tgz":{"data":"QUJD"},"a.tgz":{"data":"QUJD"}}}', 'twice'],
    ['data that stands twice', '{"_attachments":{"a.tgz":{"data":"QUJD","data":"QUJD"}}}', 'twice'],
    ['P1: a version __proto__', '{"versions":{"__proto__":{}}}', '__proto__'],
    ['P2: a tag __proto__', '{"dist-tags":{"__proto__":"1.0.0"}}', '__proto__'],
    ['P1: an attachment __proto__', '{"_attachments":{"__proto__":{}}}', '__proto__'],
    ['P1: a member __proto__', '{"__proto__":{}}', '__proto__'],
    ['P3: 10,000 nested arrays', `{"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 'nested'],
    [
      'P3: 10,000 nested objects in a manifest',
      `{"versions":{"1.0.0":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_001)}}`,
      'nested',
    ],
    ['P3: a byte order mark', `\ufeff${json}`, 'not valid JSON'],
  ])('for %s', async (_, body, message) => {
    for (const size of [777, 65_536]) {
      const error = await refusal(body, size);
      expect(error.kind).toBe('invalid');
      expect(error.message).toContain(message);
    }
  });

  it('P1: for __proto__ inside a manifest, when it is looked at', async () => {
    const body = await read('{"versions":{"1.0.0":{"scripts":{"__proto__":{"x":1}}}}}');
    await expect(body.versions?.get('1.0.0')?.parse()).rejects.toThrow('__proto__');
  });

  it('when it is cut off, wherever that is', async () => {
    const small = JSON.stringify({ ...document, _attachments: { 'a-1.0.0.tgz': { ...attachment, data: 'QUJD', length: 3 } } });
    expect((await read(small)).tarball?.length).toBe(3);
    for (let end = 0; end < small.length; end++) expect((await refusal(small.slice(0, end), 50)).kind).toBe('invalid');
  });

  it('R16: for a manifest beyond 4 MiB, a bundle beyond 4 MiB, and 64 MiB of anything', async () => {
    const large = 'x'.repeat(4 * 1024 ** 2);
    expect(await refusal({ versions: { '1.0.0': { readme: large } } })).toMatchObject({ kind: 'too_large' });
    expect(await refusal({ _attachments: { 'a.sigstore': { data: large } } })).toMatchObject({ kind: 'too_large' });
    async function* endless() {
      yield utf8('{"name":"a","junk":[0');
      for (;;) yield utf8(',1'.repeat(500_000));
    }
    await expect(readPublishBody(endless(), keep)).rejects.toMatchObject({
      kind: 'too_large',
      message: 'the body is larger than 67108864 bytes',
    });
  });

  it('P3: never with anything but a RegistryError, whatever byte is changed', async () => {
    const small = utf8(
      JSON.stringify({
        ...document,
        users: { bob: true },
        maintainers: [],
        _attachments: { 'a-1.0.0.tgz': { ...attachment, data: 'QUJD', length: 3 } },
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(small.length - 1), fc.nat(255), fc.integer({ min: 1, max: 99 }), async (at, byte, size) => {
        const bytes = concat([small.subarray(0, at), Uint8Array.of(byte), small.subarray(at + 1)]);
        try {
          await readPublishBody(inPieces(bytes, size), keep);
        } catch (error) {
          expect(error).toBeInstanceOf(RegistryError);
        }
      }),
      { numRuns: 1500, seed: 20_260_511 },
    );
  });
});
