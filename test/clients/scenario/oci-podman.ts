import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lines, type OciMachine } from '../oci-machine.js';
import { lacksOci } from '../programs.js';
import { type OciRig, type OciSetup, PASSWORD, START_MS } from './oci-rig.js';

const ON = '--tls-verify=false';

/** `open`: anyone may read. */
export function podmanScenario(setup: OciSetup, { without = false, open = false } = {}): void {
  describe.skipIf(without || lacksOci('podman', 'buildah'))(
    `podman and buildah against ${setup.title}`,
    { timeout: 120_000 },
    () => {
      let rig: OciRig;
      let bob: OciMachine;
      beforeAll(async () => {
        rig = await setup.start();
        bob = rig.machine();
        await login(bob, rig.token);
      }, START_MS);
      afterAll(() => rig?.stop());

      const login = (machine: OciMachine, secret: string): Promise<string> =>
        machine.out('podman', ['login', ON, '-u', 'bob', '--password-stdin', rig.host], { input: secret });
      const podman = (...args: readonly string[]): Promise<string> => bob.out('podman', args);
      const at = (reference: string): string => `${rig.host}/podman/${reference}`;
      /** Builds an image from nothing but a file. */
      const build = async (machine: OciMachine, reference: string): Promise<void> => {
        machine.write('context/Containerfile', 'FROM scratch\nCOPY note /note\nLABEL who=bob\n');
        machine.write('context/note', `for ${reference}`);
        await machine.out('buildah', ['bud', '--isolation', 'chroot', '-t', at(reference), machine.path('context')]);
      };
      const file = async (machine: OciMachine, reference: string): Promise<string> => {
        const container = (await machine.out('buildah', ['from', '--pull-never', at(reference)])).trim();
        const mounted = (await machine.out('buildah', ['mount', container])).trim();
        return readFileSync(`${mounted}/note`, 'utf8');
      };

      it('oci 42: builds, pushes, and pulls into an empty store; logs in by password', async () => {
        await build(bob, 'built:v1');
        await podman('push', ON, '--digestfile', bob.path('digest'), at('built:v1'));
        expect(await rig.digest('podman/built', 'v1')).toBe(readFileSync(bob.path('digest'), 'utf8'));
        const other = rig.machine();
        await login(other, PASSWORD);
        await other.out('podman', ['pull', ON, at('built:v1')]);
        expect(await file(other, 'built:v1')).toBe('for built:v1');
      });

      it('oci 42: buildah commits and pushes under two tags, and pulls', async () => {
        const container = (await bob.out('buildah', ['from', 'scratch'])).trim();
        const note = bob.write('note', 'from a container');
        await bob.out('buildah', ['copy', container, note, '/note']);
        await bob.out('buildah', ['commit', container, at('committed:v1')]);
        for (const tag of ['v1', 'v2'])
          await bob.out('buildah', ['push', ON, at('committed:v1'), `docker://${at(`committed:${tag}`)}`]);
        expect(await rig.tags('podman/committed')).toEqual(['v1', 'v2']);
        const other = rig.machine();
        await login(other, rig.reader);
        await other.out('buildah', ['pull', ON, at('committed:v2')]);
        expect(await file(other, 'committed:v2')).toBe('from a container');
      });

      it('oci 42: makes a list of manifests, and pushes it with all it names', async () => {
        await build(bob, 'listed:one');
        await podman('push', ON, at('listed:one'));
        await podman('manifest', 'create', 'many');
        await podman('manifest', 'add', ON, 'many', `docker://${at('listed:one')}`);
        await podman('manifest', 'add', ON, '--arch', 'arm64', 'many', `docker://${at('listed:one')}`);
        await podman('manifest', 'push', ON, '--all', 'many', `docker://${at('many:v1')}`);
        const list = JSON.parse(String(await rig.content('podman/many/manifests/v1'))) as {
          readonly manifests: readonly { readonly digest: string }[];
        };
        expect(list.manifests.length).toBeGreaterThanOrEqual(1);
        for (const { digest } of list.manifests) expect(await rig.digest('podman/many', digest)).toBe(digest);
      });

      it('oci 42: lists tags; searches', async () => {
        await build(bob, 'orchard/pear:v1');
        for (const tag of ['v1', 'v2']) await podman('push', ON, at('orchard/pear:v1'), `docker://${at(`orchard/pear:${tag}`)}`);
        const [, ...tags] = lines(await podman('search', ON, '--list-tags', at('orchard/pear')));
        expect(tags.map((line) => line.split(/ +/))).toEqual([
          [at('orchard/pear'), 'v1'],
          [at('orchard/pear'), 'v2'],
        ]);
        const [, ...found] = lines(await podman('search', ON, `${rig.host}/pear`));
        expect(found.map((line) => line.trim())).toEqual([at('orchard/pear')]);
      });

      it('oci 40: what may not be is refused, readably, and leaves nothing', async () => {
        const other = rig.machine();
        await build(other, 'denied:v1');
        const push = ['push', ON, at('denied:v1')];
        expect(await other.fails('podman', push)).toMatch(/unauthorized|authentication required/);
        const wrong = ['login', ON, '-u', 'bob', '--password-stdin', rig.host];
        expect(await other.fails('podman', wrong, { input: 'wrong' })).toContain('invalid username/password');
        await login(other, rig.reader);
        expect(await other.fails('podman', push)).toContain('denied');
        expect(await rig.tags('podman/denied')).toBeUndefined();
        await other.out('podman', ['logout', rig.host]);
        const pull = ['pull', ON, at('built:v1')];
        if (open) await other.out('podman', pull);
        else expect(await other.fails('podman', pull)).toMatch(/unauthorized|authentication required/);
      });
    },
  );
}
