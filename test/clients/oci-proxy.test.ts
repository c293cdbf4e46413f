import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeImage, writeLayout } from './oci-image.js';
import { OciMachine } from './oci-machine.js';
import { run, worked } from './processes.js';
import { lacksOci } from './programs.js';
import { type OciRig, startOciRig } from './scenario/oci-rig.js';
import { ONE_PROCESS } from './setups.js';
import { startTlsProxy, type TlsProxy } from './tls-proxy.js';

const WAYS = [
  ['that tells what was asked of it', (): readonly string[] => ['--trust-proxy', '127.0.0.1'], true],
  ['whose URL is given', (url: string): readonly string[] => ['--public-url', url], false],
] as const;

describe.skipIf(lacksOci('crane', 'skopeo', 'openssl')).each(WAYS)(
  'behind a proxy that ends TLS, %s',
  { timeout: 60_000 },
  (_, args, tells) => {
    let proxy: TlsProxy;
    let rig: OciRig;
    let bob: OciMachine;
    let env: { readonly SSL_CERT_FILE: string };
    const own = new OciMachine();
    beforeAll(async () => {
      proxy = await startTlsProxy(own);
      rig = await startOciRig(ONE_PROCESS, args(proxy.url));
      proxy.target = `http://${rig.host}`;
      proxy.tells = tells;
      env = { SSL_CERT_FILE: proxy.certificate };
      bob = rig.machine();
    });
    afterAll(async () => {
      await proxy?.stop();
      await rig?.stop();
      own.remove();
    });

    const at = (reference: string): string => `${proxy.host}/bob/${reference}`;
    /** The headers of an answer, as somebody outside gets them. */
    const headers = async (path: string, ...more: readonly string[]): Promise<string> => {
      const options = ['-sS', '--cacert', proxy.certificate, '-o', '/dev/null', '-D', '-', ...more];
      return worked(await run('curl', [...options, `${proxy.url}${path}`], { cwd: own.home, env: own.env() })).out;
    };

    it('oci 45: crane logs in, pushes, copies, lists and pulls over TLS, and believes no other certificate', async () => {
      const image = await makeImage();
      const login = ['auth', 'login', proxy.host, '-u', 'bob', '--password-stdin'];
      await bob.out('crane', login, { env, input: rig.token });
      await bob.out('crane', ['push', writeLayout(bob.path('one'), { v1: image }), at('one:v1')], { env });
      await bob.out('crane', ['cp', at('one:v1'), at('two:v1')], { env });
      expect(await rig.digest('bob/two', 'v1')).toBe(image.digest);
      expect(await bob.out('crane', ['ls', at('two')], { env })).toBe('v1\n');
      await bob.out('crane', ['validate', '--remote', at('two:v1')], { env });
      expect(await bob.fails('crane', ['ls', at('two')])).toMatch(/certificate/);
    });

    it('oci 45: skopeo copies there and back over TLS', async () => {
      const image = await makeImage();
      const [creds, folder] = [`bob:${rig.token}`, dirname(proxy.certificate)];
      const skopeo = (...more: readonly string[]): Promise<string> =>
        bob.out('skopeo', ['--insecure-policy', 'copy', ...more], { env: { _CONTAINERS_ROOTLESS_UID: '1000' } });
      const layout = writeLayout(bob.path('three'), { v1: image });
      await skopeo('--dest-creds', creds, '--dest-cert-dir', folder, `oci:${layout}:v1`, `docker://${at('three:v1')}`);
      await skopeo('--src-creds', creds, '--src-cert-dir', folder, `docker://${at('three:v1')}`, `oci:${bob.path('back')}:v1`);
      expect(await rig.digest('bob/three', 'v1')).toBe(image.digest);
    });

    it('oci 45: the realm is the one outside, Location and Link stay where they were asked', async () => {
      expect(await headers('/v2/')).toContain(`Bearer realm="${proxy.url}/v2/token",service="${proxy.host}"`);
      const as = ['-u', `bob:${rig.token}`];
      expect(await headers('/v2/bob/one/blobs/uploads/', ...as, '-X', 'POST')).toMatch(
        /^location: \/v2\/bob\/one\/blobs\/uploads\//im,
      );
      for (const tag of ['v2', 'v3']) await bob.out('crane', ['tag', at('one:v1'), tag], { env });
      expect(await headers('/v2/bob/one/tags/list?n=2', ...as)).toMatch(
        /^link: <\/v2\/bob\/one\/tags\/list\?[^>]*>; rel="next"/im,
      );
    });
  },
);
