import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeImage, makeIndex, unique, writeLayout } from '../oci-image.js';
import { lines, type OciMachine } from '../oci-machine.js';
import { lacksOci } from '../programs.js';
import { type OciRig, type OciSetup, PASSWORD, START_MS } from './oci-rig.js';

export function craneScenario(setup: OciSetup, without = false): void {
  describe.skipIf(without || lacksOci('crane'))(`crane against ${setup.title}`, { timeout: 120_000 }, () => {
    let rig: OciRig;
    let bob: OciMachine;
    let stranger: OciMachine;
    beforeAll(async () => {
      rig = await setup.start();
      [bob, stranger] = [rig.machine(), rig.machine()];
      await login(bob, rig.token);
    }, START_MS);
    afterAll(() => rig?.stop());

    const crane = async (...args: readonly string[]): Promise<string> => (await bob.out('crane', args)).trim();
    const login = (machine: OciMachine, secret: string): Promise<string> =>
      machine.out('crane', ['auth', 'login', rig.host, '-u', 'bob', '--password-stdin'], { input: secret });
    const at = (reference: string): string => `${rig.host}/crane/${reference}`;
    /** Pushes a new index over two images. */
    const push = async (reference: string) => {
      const index = makeIndex([await makeImage({ layers: ['shared', unique()] }), await makeImage({ architecture: 'arm64' })]);
      await crane('push', writeLayout(bob.path(reference), { v1: index }), at(reference));
      // A layout with one entry is pushed as that entry.
      expect(await crane('digest', at(reference))).toBe(index.digest);
      return index;
    };

    it('oci 42: pushes an index, validates it, and pulls it into an empty folder, as anyone', async () => {
      const index = await push('pushed:v1');
      await crane('validate', '--remote', at('pushed:v1'));
      await stranger.out('crane', ['pull', '--format', 'oci', at('pushed:v1'), stranger.path('pulled')]);
      await stranger.out('crane', ['validate', '--remote', at('pushed:v1')]);
      expect(await stranger.out('crane', ['manifest', at('pushed:v1')])).toBe(index.manifest.toString());
      await crane('push', stranger.path('pulled'), at('again:v1'));
      expect(await rig.digest('crane/again', 'v1')).toBe(index.digest);
    });

    it('oci 42: pulls an archive and pushes it again; exports the files', async () => {
      await push('archive:v1');
      await crane('pull', at('archive:v1'), bob.path('archive.tar'));
      expect(await crane('push', bob.path('archive.tar'), at('archive:v2'))).toContain('sha256:');
      expect(await crane('ls', at('archive'))).toBe('v1\nv2');
      expect((await bob.run('crane', ['export', at('archive:v2'), bob.path('files.tar')])).code).toBe(0);
      expect(lines((await bob.run('tar', ['tf', bob.path('files.tar')])).out).toSorted()).toEqual(['layer-0', 'layer-1']);
    });

    it('oci 42: copies to another repository and mounts what is there', async () => {
      const index = await push('source:v1');
      const copied = await bob.run('crane', ['cp', at('source:v1'), at('target:v1')]);
      expect(copied.err).toContain(`mounted blob: ${index.layers[0]}`);
      expect(copied.err).not.toContain('pushed blob');
      expect(await rig.digest('crane/target', 'v1')).toBe(index.digest);
      for (const layer of index.layers) expect(await rig.content(`crane/target/blobs/${layer}`)).toEqual(index.blobs.get(layer));
    });

    it('oci 42: tags, lists tags and repositories', async () => {
      const index = await push('tagged:v1');
      for (const tag of ['b', 'a', 'c']) await crane('tag', at('tagged:v1'), tag);
      expect(await crane('ls', at('tagged'))).toBe('a\nb\nc\nv1');
      expect(await rig.digest('crane/tagged', 'c')).toBe(index.digest);
      expect(lines(await crane('catalog', rig.host))).toContain('crane/tagged');
      expect(await bob.fails('crane', ['ls', at('nothing-there')])).toContain('NAME_UNKNOWN');
      // Who is nobody does not learn which names there are.
      expect(await stranger.fails('crane', ['ls', at('nothing-there')])).toContain('UNAUTHORIZED: authentication required');
    });

    it('oci 42: appends a layer, changes a configuration, makes an index', async () => {
      await push('base:v1');
      bob.write('more/file', 'more');
      await bob.out('tar', ['czf', bob.path('more.tgz'), '-C', bob.path('more'), 'file']);
      await crane(
        'append',
        '-f',
        bob.path('more.tgz'),
        '-b',
        at('base:v1'),
        '-t',
        at('base:appended'),
        '--platform',
        'linux/amd64',
      );
      const appended = JSON.parse(await crane('manifest', at('base:appended'))) as { readonly layers: readonly unknown[] };
      expect(appended.layers).toHaveLength(3);
      await crane('mutate', at('base:appended'), '-l', 'who=bob', '-t', at('base:changed'));
      expect(JSON.parse(await crane('config', at('base:changed')))).toMatchObject({ config: { Labels: { who: 'bob' } } });
      await crane('validate', '--remote', at('base:changed'));
      await crane('index', 'append', '-t', at('base:index'), '-m', at('base:appended'), '-m', at('base:changed'));
      const index = JSON.parse(await crane('manifest', at('base:index'))) as { readonly manifests: readonly unknown[] };
      expect(index.manifests).toHaveLength(2);
    });

    it('oci 42: deletes a tag alone, and a digest with its tags', async () => {
      const index = await push('gone:v1');
      for (const tag of ['v2', 'v3']) await crane('tag', at('gone:v1'), tag);
      await crane('delete', at('gone:v3'));
      expect(await crane('ls', at('gone'))).toBe('v1\nv2');
      expect(await rig.digest('crane/gone', index.digest)).toBe(index.digest);
      await crane('delete', at(`gone@${index.digest}`));
      expect(await rig.tags('crane/gone')).toEqual([]);
      expect(await stranger.fails('crane', ['manifest', at('gone:v1')])).toContain('MANIFEST_UNKNOWN');
    });

    it('oci 40: what may not be is refused, readably, and leaves nothing', async () => {
      await push('kept:v1');
      await crane('pull', at('kept:v1'), bob.path('kept.tar'));
      const attempt = (machine: OciMachine): Promise<string> =>
        machine.fails('crane', ['push', bob.path('kept.tar'), at('denied:v1')]);
      expect(await attempt(stranger)).toContain('401 Unauthorized');
      const reader = rig.machine();
      await login(reader, rig.reader);
      expect(await attempt(reader)).toContain('DENIED');
      expect(await reader.fails('crane', ['delete', at('kept:v1')])).toContain('DENIED');
      await reader.out('crane', ['ls', at('kept')]);
      await login(reader, 'wrong');
      expect(await attempt(reader)).toContain('UNAUTHORIZED: The credentials are not valid');
      await login(reader, PASSWORD);
      await reader.out('crane', ['push', bob.path('kept.tar'), at('kept:by-password')]);
      expect(await rig.tags('crane/denied')).toBeUndefined();
      expect(await rig.tags('crane/kept')).toEqual(['by-password', 'v1']);
    });
  });
}
