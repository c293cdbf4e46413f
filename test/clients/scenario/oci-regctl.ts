import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeImage, makeIndex, unique, writeLayout } from '../oci-image.js';
import { lines, type OciMachine } from '../oci-machine.js';
import { lacksOci } from '../programs.js';
import { type OciRig, type OciSetup, PASSWORD, START_MS } from './oci-rig.js';
import { requestsDuring } from './rig.js';

const CHUNK = 64 * 1024;

export function regctlScenario(setup: OciSetup, without = false): void {
  describe.skipIf(without || lacksOci('regctl'))(`regctl against ${setup.title}`, { timeout: 120_000 }, () => {
    let rig: OciRig;
    let bob: OciMachine;
    let stranger: OciMachine;
    beforeAll(async () => {
      rig = await setup.start();
      [bob, stranger] = [await machine(), await machine()];
      await login(bob, rig.token);
    }, START_MS);
    afterAll(() => rig?.stop());

    /** A machine that knows how to talk to the registry: without TLS, and in chunks. */
    const machine = async (): Promise<OciMachine> => {
      const made = rig.machine();
      const how = ['--tls', 'disabled', '--blob-chunk', String(CHUNK), '--blob-max', String(CHUNK)];
      await made.out('regctl', ['registry', 'set', rig.host, ...how, '--skip-check']);
      return made;
    };
    const login = (on: OciMachine, secret: string): Promise<string> =>
      on.out('regctl', ['registry', 'login', rig.host, '-u', 'bob', '--pass-stdin'], { input: secret });
    const regctl = async (...args: readonly string[]): Promise<string> => (await bob.out('regctl', args)).trim();
    const at = (reference: string): string => `${rig.host}/regctl/${reference}`;
    const push = async (reference: string) => {
      const image = await makeImage();
      await regctl(
        'image',
        'copy',
        `ocidir://${writeLayout(bob.path(`from-${reference.replace(':', '-')}`), { v1: image })}:v1`,
        at(reference),
      );
      return image;
    };

    it('oci 42: sends a layer in chunks, and pulls the image into an empty folder, as anyone', async () => {
      const image = await makeImage({ layers: ['small', unique(5 * CHUNK)] });
      const layout = writeLayout(bob.path('chunks'), { v1: image });
      const requests = await requestsDuring(rig.site, () => regctl('image', 'copy', `ocidir://${layout}:v1`, at('chunks:v1')));
      expect(requests.filter(({ route, status }) => route === 'upload-chunk' && status === 202).length).toBeGreaterThanOrEqual(5);
      expect(await rig.digest('regctl/chunks', 'v1')).toBe(image.digest);
      await stranger.out('regctl', ['image', 'copy', at('chunks:v1'), `ocidir://${stranger.path('chunks')}:v1`]);
      for (const [digest, bytes] of image.blobs)
        expect(readFileSync(stranger.path(`chunks/blobs/${digest.replace(':', '/')}`))).toEqual(bytes);
    });

    it('oci 17: an image whose digests are sha512, there and back', async () => {
      await push('sha512:v1');
      await regctl('image', 'mod', '--digest-algo', 'sha512', '--create', at('sha512:v2'), at('sha512:v1'));
      const digest = await regctl('image', 'digest', at('sha512:v2'));
      expect(digest).toMatch(/^sha512:[0-9a-f]{128}$/);
      expect(await rig.digest('regctl/sha512', digest)).toBe(digest);
      await stranger.out('regctl', ['image', 'copy', at(`sha512@${digest}`), `ocidir://${stranger.path('sha512')}:v2`]);
      expect(readdirSync(stranger.path('sha512/blobs/sha512')).length).toBeGreaterThanOrEqual(3);
    });

    it('oci 42: attaches, discovers and copies with what is attached; all architectures', async () => {
      const index = makeIndex([await makeImage(), await makeImage({ architecture: 'arm64' })]);
      await regctl('image', 'copy', `ocidir://${writeLayout(bob.path('many'), { v1: index })}:v1`, at('many:v1'));
      const file = bob.write('bom', 'a bill of materials');
      const type = 'application/vnd.example.bom';
      await regctl('artifact', 'put', '--artifact-type', type, '--subject', at('many:v1'), '-f', file, '-m', 'text/plain');
      await regctl('image', 'copy', '--referrers', at('many:v1'), at('copied:v1'));
      expect(await rig.digest('regctl/copied', 'v1')).toBe(index.digest);
      for (const name of ['many', 'copied']) {
        expect(await stranger.out('regctl', ['artifact', 'tree', at(`${name}:v1`)])).toContain(type);
        const get = ['artifact', 'get', '--subject', at(`${name}:v1`), '--filter-artifact-type', type];
        expect(await stranger.out('regctl', get)).toBe('a bill of materials');
      }
      const none = ['artifact', 'list', at('many:v1'), '--filter-artifact-type', 'application/vnd.example.other'];
      expect(await regctl(...none)).not.toContain('Digest: ');
      // No fallback tag was needed.
      expect(await rig.tags('regctl/copied')).toEqual(['v1']);
    });

    it('oci 42: lists tags and repositories; deletes a tag, then a manifest', async () => {
      const image = await push('gone:v1');
      await regctl('image', 'copy', at('gone:v1'), at('gone:v2'));
      expect(lines(await regctl('tag', 'ls', at('gone')))).toEqual(['v1', 'v2']);
      expect(lines(await regctl('repo', 'ls', rig.host))).toContain('regctl/gone');
      await regctl('tag', 'delete', at('gone:v1'));
      expect(await rig.tags('regctl/gone')).toEqual(['v2']);
      expect(await rig.digest('regctl/gone', 'v2')).toBe(image.digest);
      await regctl('manifest', 'delete', '--force-tag-dereference', at('gone:v2'));
      expect(await rig.tags('regctl/gone')).toEqual([]);
      expect(await rig.digest('regctl/gone', image.digest)).toBeUndefined();
    });

    it('oci 42: puts, gets and deletes a blob', async () => {
      await push('blobs:v1');
      const digest = (await bob.out('regctl', ['blob', 'put', at('blobs')], { input: 'a blob of its own' })).trim();
      expect(await stranger.out('regctl', ['blob', 'get', at('blobs'), digest])).toBe('a blob of its own');
      await regctl('blob', 'delete', at('blobs'), digest);
      expect(await stranger.fails('regctl', ['blob', 'get', at('blobs'), digest])).toMatch(/not found/i);
    });

    it('oci 40: what may not be is refused, readably, and leaves nothing', async () => {
      const layout = writeLayout(stranger.path('denied'), { v1: await makeImage() });
      const attempt = (on: OciMachine): Promise<string> =>
        on.fails('regctl', ['image', 'copy', `ocidir://${layout}:v1`, at('denied:v1')]);
      expect(await attempt(stranger)).toMatch(/unauthorized/);
      const reader = await machine();
      await login(reader, rig.reader);
      expect(await attempt(reader)).toMatch(/denied|forbidden/i);
      expect(await rig.tags('regctl/denied')).toBeUndefined();
      const other = await machine();
      const wrong = ['registry', 'login', rig.host, '-u', 'bob', '--pass-stdin'];
      expect(await other.fails('regctl', wrong, { input: 'wrong' })).toContain('unauthorized');
      await login(other, PASSWORD);
      await other.out('regctl', ['image', 'copy', `ocidir://${layout}:v1`, at('by-password:v1')]);
    });
  });
}
