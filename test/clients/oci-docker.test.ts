import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeImage, writeLayout } from './oci-image.js';
import type { OciMachine } from './oci-machine.js';
import { lacksOci } from './programs.js';
import { type OciRig, PASSWORD, startOciRig } from './scenario/oci-rig.js';
import { ONE_PROCESS } from './setups.js';

// There is no engine: what needs none is logging in and out, and everything about manifests.
describe.skipIf(lacksOci('docker', 'crane'))(
  'docker without an engine, where everybody needs credentials',
  { timeout: 60_000 },
  () => {
    let rig: OciRig;
    let bob: OciMachine;
    beforeAll(async () => {
      rig = await startOciRig(ONE_PROCESS);
      bob = rig.machine();
      await bob.out('crane', ['auth', 'login', rig.host, '-u', 'bob', '--password-stdin'], { input: rig.token });
      for (const architecture of ['amd64', 'arm64']) {
        const layout = writeLayout(bob.path(architecture), { v1: await makeImage({ architecture }) });
        await bob.out('crane', ['push', layout, at(architecture)]);
      }
    });
    afterAll(() => rig?.stop());

    const at = (tag: string): string => `${rig.host}/bob/app:${tag}`;
    const login = (secret: string): readonly [string, readonly string[], { readonly input: string }] => [
      'docker',
      ['login', rig.host, '-u', 'bob', '--password-stdin'],
      { input: secret },
    ];
    const create = (tag: string): readonly string[] => ['manifest', 'create', '--insecure', at(tag), at('amd64'), at('arm64')];

    it('oci 42: logs in by token or password and out; a wrong password is told as one; a login keeps no password', async () => {
      const machine = rig.machine();
      expect(await machine.fails(...login('wrong'))).toContain('unauthorized: The credentials are not valid');
      for (const secret of [PASSWORD, rig.token]) {
        expect(await machine.out(...login(secret))).toContain('Login Succeeded');
        expect(readFileSync(machine.path('docker/config.json'), 'utf8')).not.toContain(
          Buffer.from(`bob:${PASSWORD}`).toString('base64'),
        );
        await machine.out('docker', ['manifest', 'inspect', '--insecure', at('amd64')]);
        expect(await machine.out('docker', ['logout', rig.host])).toContain('Removing login credentials');
        expect(await machine.fails('docker', ['manifest', 'inspect', '--insecure', at('amd64')])).toMatch(
          /no such manifest|unauthorized/,
        );
      }
    });

    it('oci 42: inspects manifests, makes an index of two, pushes it and reads it back', async () => {
      await bob.out(...login(rig.token));
      await bob.out('docker', create('both'));
      const pushed = (await bob.out('docker', ['manifest', 'push', '--insecure', at('both')])).trim();
      expect(await rig.digest('bob/app', 'both')).toBe(pushed.split('\n').at(-1));
      const shown = JSON.parse(await bob.out('docker', ['manifest', 'inspect', '--insecure', at('both')])) as {
        readonly manifests: readonly { readonly digest: string; readonly platform: { readonly architecture: string } }[];
      };
      expect(shown.manifests.map(({ platform }) => platform.architecture).toSorted()).toEqual(['amd64', 'arm64']);
      for (const { digest, platform } of shown.manifests) expect(await rig.digest('bob/app', platform.architecture)).toBe(digest);
      expect(await bob.fails('docker', ['manifest', 'inspect', '--insecure', at('none')])).toContain('no such manifest');
    });

    it('oci 40: a push without the right is denied', async () => {
      const reader = rig.machine();
      await reader.out(...login(rig.reader));
      await reader.out('docker', create('denied'));
      expect(await reader.fails('docker', ['manifest', 'push', '--insecure', at('denied')])).toContain('denied: ');
      expect(await rig.tags('bob/app')).not.toContain('denied');
    });
  },
);
