import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeImage, makeIndex, writeLayout } from '../oci-image.js';
import type { OciMachine, OciRun } from '../oci-machine.js';
import { lacksOci } from '../programs.js';
import { type OciRig, type OciSetup, PASSWORD, START_MS } from './oci-rig.js';
import { requestsDuring } from './rig.js';

// Its cache of what lies where is below /var/lib for root, and below the home for everybody else.
const OWN_CACHE: OciRun = { env: { _CONTAINERS_ROOTLESS_UID: '1000' } };
const FROM = '--src-tls-verify=false';
const TO = '--dest-tls-verify=false';
const ON = '--tls-verify=false';

export function skopeoScenario(setup: OciSetup, without = false): void {
  describe.skipIf(without || lacksOci('skopeo'))(`skopeo against ${setup.title}`, { timeout: 120_000 }, () => {
    let rig: OciRig;
    let bob: OciMachine;
    let stranger: OciMachine;
    beforeAll(async () => {
      rig = await setup.start();
      [bob, stranger] = [rig.machine(), rig.machine()];
      await ok(bob, ['login', ON, '-u', 'bob', '--password-stdin', rig.host], rig.token);
    }, START_MS);
    afterAll(() => rig?.stop());

    const ok = (machine: OciMachine, args: readonly string[], input = ''): Promise<string> =>
      machine.out('skopeo', ['--insecure-policy', ...args], { ...OWN_CACHE, input });
    const fails = (machine: OciMachine, args: readonly string[], input = ''): Promise<string> =>
      machine.fails('skopeo', ['--insecure-policy', ...args], { ...OWN_CACHE, input });
    const at = (reference: string): string => `docker://${rig.host}/skopeo/${reference}`;

    it('oci 42: logs in by token or password and out; a wrong password is told as one', async () => {
      const machine = rig.machine();
      const login = ['login', ON, '-u', 'bob', '--password-stdin', rig.host];
      expect(await fails(machine, login, 'wrong')).toContain('invalid username/password');
      expect(await ok(machine, login, PASSWORD)).toContain('Login Succeeded');
      expect(await ok(machine, ['logout', rig.host])).toContain('Removed login credentials');
    });

    it('oci 42: pushes an image and pulls it, byte for byte, as anyone', async () => {
      const image = await makeImage({ layers: ['first', Buffer.alloc(200_000, 'x')] });
      const layout = writeLayout(bob.path('one'), { v1: image });
      await ok(bob, ['copy', TO, `oci:${layout}:v1`, at('one:v1')]);
      expect(await rig.digest('skopeo/one', 'v1')).toBe(image.digest);
      await ok(stranger, ['copy', FROM, at('one:v1'), `dir:${stranger.path('one')}`]);
      expect(readFileSync(stranger.path('one/manifest.json'))).toEqual(image.manifest);
      for (const layer of image.layers)
        expect(readFileSync(stranger.path(`one/${layer.slice('sha256:'.length)}`))).toEqual(image.blobs.get(layer));
    });

    it('oci 42: copy --all takes every architecture to another repository, and mounts what it has seen', async () => {
      const index = makeIndex([await makeImage(), await makeImage({ architecture: 'arm64' })]);
      const layout = writeLayout(bob.path('many'), { v1: index });
      await ok(bob, ['copy', '--all', TO, `oci:${layout}:v1`, at('many:v1')]);
      await ok(bob, ['copy', '--all', FROM, at('many:v1'), `dir:${bob.path('many-back')}`]);
      expect(readFileSync(bob.path('many-back/manifest.json'))).toEqual(index.manifest);
      const requests = await requestsDuring(rig.site, () => ok(bob, ['copy', '--all', FROM, TO, at('many:v1'), at('more:v1')]));
      expect(await rig.digest('skopeo/more', 'v1')).toBe(index.digest);
      for (const digest of index.blobs.keys())
        if (digest !== index.digest && !index.manifest.includes(digest))
          expect(await rig.content(`skopeo/more/blobs/${digest}`)).toEqual(index.blobs.get(digest));
      const mounts = requests.filter(({ route, status }) => route === 'upload-start' && status === 201);
      expect(mounts.length).toBeGreaterThanOrEqual(2);
    });

    it('oci 42: a Docker manifest is kept as one', async () => {
      const layout = writeLayout(bob.path('docker-kind'), { v1: await makeImage() });
      await ok(bob, ['copy', TO, '--format', 'v2s2', `oci:${layout}:v1`, at('docker-kind:v1')]);
      const raw = await ok(stranger, ['inspect', '--raw', ON, at('docker-kind:v1')]);
      expect(JSON.parse(raw)).toMatchObject({ mediaType: 'application/vnd.docker.distribution.manifest.v2+json' });
    });

    it('oci 42: inspects, lists tags, synchronises a repository into a folder and back', async () => {
      const [one, two] = [await makeImage(), await makeImage()];
      const layout = writeLayout(bob.path('synced'), { one, two });
      for (const tag of ['one', 'two']) await ok(bob, ['copy', TO, `oci:${layout}:${tag}`, at(`synced:${tag}`)]);
      const inspected = JSON.parse(await ok(stranger, ['inspect', ON, at('synced:one')])) as Record<string, unknown>;
      expect(inspected).toMatchObject({
        Digest: one.digest,
        RepoTags: ['one', 'two'],
        Architecture: 'amd64',
        Layers: one.layers,
      });
      expect(JSON.parse(await ok(stranger, ['list-tags', ON, at('synced')]))).toMatchObject({ Tags: ['one', 'two'] });
      const folder = bob.path('sync');
      await ok(bob, ['sync', FROM, '--src', 'docker', '--dest', 'dir', `${rig.host}/skopeo/synced`, folder]);
      await ok(bob, ['sync', TO, '--src', 'dir', '--dest', 'docker', folder, `${rig.host}/skopeo/again`]);
      expect(await rig.digest('skopeo/again/synced', 'two')).toBe(two.digest);
    });

    it('oci 42: deletes by tag what the tag names, with every tag of it', async () => {
      const image = await makeImage();
      const layout = writeLayout(bob.path('gone'), { v1: image, v2: await makeImage() });
      for (const [from, to] of [
        ['v1', 'v1'],
        ['v1', 'latest'],
        ['v2', 'v2'],
      ])
        await ok(bob, ['copy', TO, `oci:${layout}:${from}`, at(`gone:${to}`)]);
      await ok(bob, ['delete', ON, at('gone:v1')]);
      expect(await rig.tags('skopeo/gone')).toEqual(['v2']);
      expect(await rig.digest('skopeo/gone', image.digest)).toBeUndefined();
      expect(await fails(stranger, ['inspect', ON, at('gone:latest')])).toContain('manifest unknown');
    });

    it('oci 40: a push without the right says so, and leaves nothing', async () => {
      const layout = writeLayout(stranger.path('denied'), { v1: await makeImage() });
      const push = ['copy', TO, `oci:${layout}:v1`, at('denied:v1')];
      expect(await fails(stranger, push)).toMatch(/unauthorized|authentication required/);
      expect(await fails(stranger, [...push, '--dest-creds', 'bob:wrong'])).toContain('invalid username/password');
      expect(await fails(stranger, [...push, '--dest-creds', `bob:${rig.reader}`])).toMatch(/denied/);
      expect(await rig.tags('skopeo/denied')).toBeUndefined();
    });
  });
}
