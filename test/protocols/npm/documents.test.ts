import { createHash } from 'node:crypto';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DocumentCache } from '../../../ts/protocols/npm/documents.js';
import { composeManifest } from '../../../ts/protocols/npm/manifest.js';
import { parseName } from '../../../ts/protocols/npm/names.js';
import { Writer } from '../../../ts/protocols/npm/writer.js';
import { commitMany } from './many-versions.js';
import { type Registry, registry } from './rig.js';

const ABBREVIATED = { accept: 'application/vnd.npm.install-v1+json' };

describe('npm 30: a package of 5,000 versions', () => {
  let npm: Registry;
  beforeEach(async () => {
    npm = await registry();
    await commitMany(npm, 5_000, { dependencies: { a: '^1.0.0' }, description: 'ünïcödé “quoted”' });
  });
  afterEach(async () => {
    expect(npm.faults).toEqual([]);
    await npm.close();
  });

  it('is served whole, plain and coded, in both forms, each version dated', async () => {
    for (const headers of [{}, ABBREVIATED]) {
      const plain = await npm.get('/many', { headers });
      const { versions, time, 'dist-tags': tags } = plain.json;
      expect(Object.keys(versions)).toHaveLength(5_000);
      expect(Object.keys(time)).toHaveLength(5_002);
      expect(tags).toEqual({ latest: '1.4999.0' });
      expect(versions['1.17.0']).toMatchObject({ version: '1.17.0', dependencies: { a: '^1.0.0' }, dist: { fileCount: 1 } });
      const zipped = await npm.get('/many', { headers: { ...headers, 'accept-encoding': 'gzip' } });
      expect(gunzipSync(zipped.bytes).equals(plain.bytes)).toBe(true);
      const brotli = await npm.get('/many', { headers: { ...headers, 'accept-encoding': 'br' } });
      expect(brotliDecompressSync(brotli.bytes).equals(plain.bytes)).toBe(true);
      expect(new Set([plain, zipped, brotli].map((one) => one.headers['etag'])).size).toBe(3);
    }
  });

  it('is one version when one is asked for', async () => {
    const { json, bytes } = await npm.get('/many/1.4000.0');
    expect(json).toMatchObject({ version: '1.4000.0', description: 'ünïcödé “quoted”' });
    expect(bytes.length).toBeLessThan(2_000);
  });
});

describe('rendered documents', () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const big = text('x'.repeat(4_000));
  /** 4,000 characters that do not compress well, always the same for a key. */
  const noise = (key: string) => {
    let all = key;
    while (all.length < 4_000) all += createHash('sha256').update(all).digest('base64');
    return all.slice(0, 4_000);
  };

  it('are rendered once for all who ask at the same time and afterwards', async () => {
    const cache = new DocumentCache(100_000);
    let renders = 0;
    const render = async () => {
      renders += 1;
      return big;
    };
    const all = await Promise.all(Array.from({ length: 20 }, () => cache.content('key', 'text/plain', render)));
    await cache.content('key', 'text/plain', render);
    expect(renders).toBe(1);
    const coded = await Promise.all(all.map((content) => content.encoded?.('gzip')));
    expect(new Set(coded.map((one) => one?.bytes)).size).toBe(1);
  });

  it('one caller whose rendering fails is no matter of the others', async () => {
    const cache = new DocumentCache(100_000);
    const failing = cache.content('key', 'text/plain', async () => {
      throw new Error('gone away');
    });
    const other = cache.content('key', 'text/plain', async () => big);
    await expect(failing).rejects.toThrow('gone away');
    expect((await other).size).toBe(4_000);
  });

  it('stay within their bytes, encodings counted', async () => {
    const cache = new DocumentCache(12_000);
    const renders: string[] = [];
    const get = (key: string) =>
      cache.content(key, 'text/plain', async () => {
        renders.push(key);
        return text(noise(key));
      });
    await get('a');
    await get('b');
    await get('a');
    expect(renders).toEqual(['a', 'b']);
    await (await get('b')).encoded?.('gzip');
    await (await get('b')).encoded?.('br');
    await get('a');
    expect(renders.filter((key) => key === 'a')).toHaveLength(2);
  });

  it('what is larger than the whole cache is served without being kept', async () => {
    const cache = new DocumentCache(100);
    expect((await cache.content('key', 'text/plain', async () => big)).size).toBe(4_000);
    expect((await cache.content('key', 'text/plain', async () => big)).size).toBe(4_000);
  });
});

describe('the writer', () => {
  it('grows, and joins text of every kind with bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 50 }))),
        fc.nat(20),
        (parts, room) => {
          const out = new Writer(room);
          for (const part of parts)
            if (typeof part === 'string') out.text(part);
            else out.bytes(part, 0, part.length);
          const expected = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
          return Buffer.from(out.written()).equals(expected);
        },
      ),
    );
  });
});

describe('P5: stored manifests', () => {
  const tarball = (manifest: Record<string, unknown>) => ({ manifest, hasShrinkwrap: false, hasBindingGyp: false });
  const compose = (inner: Record<string, unknown>, sent: Record<string, unknown> = inner) =>
    composeManifest(
      parseName('a'),
      '1.0.0',
      { name: 'a', version: '1.0.0', ...sent },
      tarball({ name: 'a', version: '1.0.0', ...inner }),
    );

  it('are one JSON object with exactly one line break, whatever stands in them', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
        const { dependencies: _d, ...others } = fields;
        const stored = compose(others);
        expect(stored.split('\n')).toHaveLength(2);
        expect(JSON.parse(stored)).toMatchObject({ name: 'a', version: '1.0.0', _id: 'a@1.0.0' });
      }),
    );
  });

  it('keep fields that are not ours as they were sent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(compose({ custom: value }))['custom']).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('M1: take nothing of ours and nothing that installers act on from the client', () => {
    const lies = {
      dist: { tarball: 'http://evil.example' },
      readme: 'x',
      _rev: '1',
      maintainers: [],
      _npmUser: {},
      deprecated: 'x',
      hasInstallScript: true,
      dependencies: { x: '1' },
      scripts: { install: 'x' },
      bin: 'x',
      engines: {},
      os: ['x'],
      cpu: ['x'],
      libc: ['x'],
      bundledDependencies: ['x'],
      _hasShrinkwrap: true,
      peerDependencies: {},
      acceptDependencies: {},
      funding: 'x',
      directories: {},
      gypfile: true,
    };
    expect(Object.keys(JSON.parse(compose({}, lies))).sort()).toEqual(['_id', 'name', 'version']);
  });

  it('normalise bin and bundled dependencies as npm does', () => {
    const bin = (value: unknown, sent: object = {}) => JSON.parse(compose({ bin: value }, { ...sent }))['bin'];
    expect(bin('./cli.js')).toEqual({ a: 'cli.js' });
    expect(bin({ '../../x': '../../../etc/passwd', ok: 'bin\\run.js', no: 5 })).toEqual({ x: 'etc/passwd', ok: 'bin/run.js' });
    expect(bin(['one.js'])).toEqual({ 'one.js': 'one.js' });
    const listed = (commands: object) => JSON.parse(compose({ directories: { bin: './bin' } }, { bin: commands }))['bin'];
    expect(listed({ run: 'bin/run', out: 'elsewhere/run' })).toEqual({ run: 'bin/run' });
    const bundle = (fields: object) => JSON.parse(compose({ dependencies: { x: '1' }, ...fields }))['bundleDependencies'];
    expect(bundle({ bundleDependencies: true })).toEqual(['x']);
    expect(bundle({ bundledDependencies: ['x'] })).toEqual(['x']);
    expect(bundle({ bundleDependencies: false })).toBeUndefined();
  });

  it('refuse dependencies that cannot be read', () => {
    expect(() => compose({ dependencies: ['x'] })).toThrow(/must be an object/);
    expect(compose({ dependencies: [], peerDependencies: {} })).not.toContain('"dependencies"');
  });
});
