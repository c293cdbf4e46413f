import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Containerd, startContainerd } from './containerd.js';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.js';
import { makeImage, unique, writeLayout } from './oci-image.js';
import type { OciMachine } from './oci-machine.js';
import { worked } from './processes.js';
import { lacksOci } from './programs.js';
import { ANYONE_READS, type OciRig, startOciRig } from './scenario/oci-rig.js';
import { ONE_PROCESS } from './setups.js';

const LAYER = 8 * 1024 * 1024;
const OWN_CACHE = { env: { _CONTAINERS_ROOTLESS_UID: '1000' } };

// Clients wait a second or two before they try again.
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: container clients over connections that break take half a minute; REQUIRE_CLIENTS=1 runs them');

describe.skipIf(quick || lacksOci('containerd', 'crane', 'podman', 'regctl', 'skopeo'))(
  'connections that break half-way',
  { timeout: 120_000 },
  () => {
    let rig: OciRig;
    let bob: OciMachine;
    let proxy: CuttingProxy;
    let containerd: Containerd;
    beforeAll(async () => {
      rig = await startOciRig(ONE_PROCESS, ANYONE_READS);
      proxy = await startCuttingProxy(`http://${rig.host}`);
      bob = rig.machine();
      for (const host of [rig.host, proxy.host]) {
        await bob.out('crane', ['auth', 'login', host, '-u', 'bob', '--password-stdin'], { input: rig.token });
        await bob.out('podman', ['login', '--tls-verify=false', '-u', 'bob', '--password-stdin', host], { input: rig.token });
        await bob.out('regctl', ['registry', 'set', host, '--tls', 'disabled', '--skip-check']);
        await bob.out('regctl', ['registry', 'login', host, '-u', 'bob', '--pass-stdin'], { input: rig.token });
      }
      containerd = await startContainerd(bob);
    });
    afterAll(async () => {
      await containerd?.stop();
      await proxy?.stop();
      await rig?.stop();
    });

    const at = (reference: string): string => `${proxy.host}/bob/${reference}`;
    const large = async (name: string) => {
      const image = await makeImage({ layers: [unique(LAYER)] });
      return { image, layout: writeLayout(bob.path(`large-${name}`), { v1: image }) };
    };
    /** An image with one large layer, in the registry. */
    const pushed = async (name: string) => {
      const { image, layout } = await large(name);
      await bob.out('crane', ['push', layout, `${rig.host}/bob/${name}:v1`]);
      return image;
    };
    const skopeo = (...args: readonly string[]): Promise<string> =>
      bob.out('skopeo', ['--insecure-policy', 'copy', ...args], OWN_CACHE);

    /** Some clients give up when a connection breaks half-way, which to them is no reason to try again: people then say it again. */
    const twice = async (act: () => Promise<unknown>): Promise<void> => {
      await act().catch(() => act());
    };

    it('oci 43: containerd goes on with a download where it broke', async () => {
      const { digest } = await pushed('resumed');
      proxy.cut('down', 2);
      worked(await containerd.ctr(['images', 'pull', '--plain-http', '--snapshotter', 'native', at(`resumed@${digest}`)]));
      expect(proxy.done).toBe(2);
      // Where it stood, not from the start.
      expect(proxy.ranges.some((range) => /^bytes=[1-9]\d*-/.test(range))).toBe(true);
    });

    it('oci 43: regctl and skopeo have the whole image in the end', async () => {
      const image = await pushed('down');
      proxy.cut('down', 1);
      await bob.out('regctl', ['image', 'copy', at('down:v1'), `ocidir://${bob.path('regctl')}:v1`]);
      expect(proxy.done).toBe(1);
      const digest = await bob.out('regctl', ['image', 'digest', `ocidir://${bob.path('regctl')}:v1`]);
      expect(digest.trim()).toBe(image.digest);
      proxy.cut('down', 1);
      await twice(() => skopeo('--src-tls-verify=false', `docker://${at('down:v1')}`, `dir:${bob.path('skopeo')}`));
      expect(proxy.done).toBe(1);
    });

    it('oci 43: uploads that break end as whole images: skopeo, crane, regctl', async () => {
      const { image, layout } = await large('up');
      proxy.cut('up', 1);
      await twice(() => skopeo('--dest-tls-verify=false', `oci:${layout}:v1`, `docker://${at('by-skopeo:v1')}`));
      expect(proxy.done).toBe(1);
      proxy.cut('up', 1);
      await bob.out('crane', ['push', layout, at('by-crane:v1')]);
      expect(proxy.done).toBe(1);
      proxy.cut('up', 1);
      await bob.out('regctl', ['image', 'copy', `ocidir://${layout}:v1`, at('by-regctl:v1')]);
      expect(proxy.done).toBe(1);
      const [layer = ''] = image.layers;
      for (const name of ['by-skopeo', 'by-crane', 'by-regctl']) {
        expect(await rig.digest(`bob/${name}`, 'v1')).toBe(image.digest);
        expect((await rig.content(`bob/${name}/blobs/${layer}`)).equals(image.blobs.get(layer) as Buffer)).toBe(true);
      }
    });

    it('oci 43: podman pushes and pulls', async () => {
      bob.write('context/Containerfile', 'FROM scratch\nCOPY content /content\n');
      bob.write('context/content', unique(LAYER));
      await bob.out('buildah', ['bud', '--isolation', 'chroot', '-t', at('podman:v1'), bob.path('context')]);
      proxy.cut('up', 1);
      await twice(() => bob.out('podman', ['push', '--tls-verify=false', at('podman:v1')]));
      expect(proxy.done).toBe(1);
      const other = rig.machine();
      proxy.cut('down', 1);
      await twice(() => other.out('podman', ['pull', '--tls-verify=false', at('podman:v1')]));
      expect(proxy.done).toBe(1);
    });
  },
);
