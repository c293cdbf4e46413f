import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Containerd, startContainerd } from '../containerd.js';
import { makeImage, makeIndex, writeLayout } from '../oci-image.js';
import type { OciMachine } from '../oci-machine.js';
import { refused, worked } from '../processes.js';
import { lacksOci } from '../programs.js';
import { type OciRig, type OciSetup, START_MS } from './oci-rig.js';

const PULL = ['images', 'pull', '--plain-http', '--snapshotter', 'native'];
const PUSH = ['images', 'push', '--plain-http'];

export function ctrScenario(setup: OciSetup, without = false): void {
  describe.skipIf(without || lacksOci('containerd', 'ctr', 'crane'))(
    `containerd and ctr against ${setup.title}`,
    { timeout: 120_000 },
    () => {
      let rig: OciRig;
      let bob: OciMachine;
      let containerd: Containerd;
      beforeAll(async () => {
        rig = await setup.start();
        bob = rig.machine();
        await bob.out('crane', ['auth', 'login', rig.host, '-u', 'bob', '--password-stdin'], { input: rig.token });
        containerd = await startContainerd(bob);
      }, START_MS);
      afterAll(async () => {
        await containerd?.stop();
        await rig?.stop();
      });

      const at = (reference: string): string => `${rig.host}/ctr/${reference}`;
      const ok = async (...args: readonly string[]): Promise<string> => worked(await containerd.ctr(args)).out;
      const fails = async (...args: readonly string[]): Promise<string> => refused(await containerd.ctr(args)).all;
      const as = (secret: string): readonly string[] => ['--user', `bob:${secret}`];
      /** An image on the daemon, that the registry does not have. */
      const load = async (reference: string) => {
        const index = makeIndex([await makeImage({ layers: ['one', 'two'] }), await makeImage({ architecture: 'arm64' })]);
        const layout = writeLayout(bob.path(reference.replace(':', '-')), { v1: index });
        const archive = `${layout}.tar`;
        await bob.out('tar', ['cf', archive, '-C', layout, '.']);
        await ok('images', 'import', '--no-unpack', '--all-platforms', '--index-name', at(reference), archive);
        return index;
      };

      it('oci 42: pushes all architectures, and pulls and unpacks them into an empty store, as anyone', async () => {
        const loaded = await load('pushed:v1');
        await ok(...PUSH, ...as(rig.token), at('pushed:v1'));
        const digest = await rig.digest('ctr/pushed', 'v1');
        for (const [one, bytes] of loaded.blobs)
          if (one !== loaded.digest && !loaded.manifest.includes(one))
            expect(await rig.content(`ctr/pushed/blobs/${one}`)).toEqual(bytes);
        const other = rig.machine();
        const empty = await startContainerd(other);
        try {
          worked(await empty.ctr([...PULL, '--all-platforms', at('pushed:v1')]));
          expect(worked(await empty.ctr(['images', 'ls'])).out).toMatch(new RegExp(`${at('pushed:v1')}\\s+\\S+\\s+${digest}`));
          expect(worked(await empty.ctr(['images', 'check', '--snapshotter', 'native'])).out).toContain('complete (');
        } finally {
          await empty.stop();
        }
      });

      it('oci 42: pulls by digest with credentials; what is not there is not found', async () => {
        const image = await makeImage();
        await bob.out('crane', ['push', writeLayout(bob.path('by-digest'), { v1: image }), at('by-digest:v1')]);
        await ok(...PULL, ...as(rig.reader), at(`by-digest@${image.digest}`));
        expect(await ok('images', 'ls', '-q')).toContain(at(`by-digest@${image.digest}`));
        expect(await fails(...PULL, at('by-digest:none'))).toContain('not found');
      });

      it('oci 40: what may not be is refused, readably, and leaves nothing', async () => {
        await load('denied:v1');
        expect(await fails(...PUSH, at('denied:v1'))).toContain('401 authentication required');
        expect(await fails(...PUSH, ...as('wrong'), at('denied:v1'))).toContain('401 The credentials are not valid');
        expect(await fails(...PUSH, ...as(rig.reader), at('denied:v1'))).toContain('403 access denied');
        expect(await rig.tags('ctr/denied')).toBeUndefined();
      });
    },
  );
}
