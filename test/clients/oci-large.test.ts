import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, renameSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from './oci-image.js';
import type { OciMachine } from './oci-machine.js';
import { lacksOci } from './programs.js';
import { type OciRig, startOciRig } from './scenario/oci-rig.js';
import { memoryOf, resetPeak } from './server.js';
import { ONE_PROCESS } from './setups.js';

const MIB = 1024 * 1024;
const GROWTH = 64 * MIB;

const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: a layer of 1 GiB takes its time; REQUIRE_CLIENTS=1 pushes and pulls one');

/** A folder as skopeo's `dir:` reads it: an image with one layer of this many MiB. Returns the layer's digest. */
function writeLarge(folder: string, mebibytes: number): string {
  mkdirSync(folder);
  const [hash, file] = [createHash('sha256'), openSync(`${folder}/layer`, 'w')];
  for (let at = 0; at < mebibytes; at++) {
    const piece = randomBytes(MIB);
    hash.update(piece);
    writeSync(file, piece);
  }
  closeSync(file);
  const hex = hash.digest('hex');
  renameSync(`${folder}/layer`, `${folder}/${hex}`);
  const kind = 'application/vnd.oci.image';
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }));
  writeFileSync(`${folder}/${digestOf(config).slice('sha256:'.length)}`, config);
  const layer = { mediaType: `${kind}.layer.v1.tar`, digest: `sha256:${hex}`, size: mebibytes * MIB };
  const about = { mediaType: `${kind}.config.v1+json`, digest: digestOf(config), size: config.length };
  const manifest = { schemaVersion: 2, mediaType: `${kind}.manifest.v1+json`, config: about, layers: [layer] };
  writeFileSync(`${folder}/manifest.json`, JSON.stringify(manifest));
  writeFileSync(`${folder}/version`, 'Directory Transport Version: 1.1\n');
  return hex;
}

describe.skipIf(quick || lacksOci('skopeo'))('a large layer by skopeo', { timeout: 400_000 }, () => {
  let rig: OciRig;
  let bob: OciMachine;
  beforeAll(async () => {
    rig = await startOciRig(ONE_PROCESS);
    bob = rig.machine();
  });
  afterAll(() => rig?.stop());

  const copy = (from: string, to: string): Promise<string> => {
    const creds = from.startsWith('docker:') ? '--src-creds' : '--dest-creds';
    const tls = from.startsWith('docker:') ? '--src-tls-verify=false' : '--dest-tls-verify=false';
    // As it is: a layer that is not compressed stays so.
    const args = ['--insecure-policy', 'copy', '--preserve-digests', tls, creds, `bob:${rig.token}`, from, to];
    return bob.out('skopeo', args, { env: { _CONTAINERS_ROOTLESS_UID: '1000' }, seconds: 180 });
  };
  /** How much more memory the server has had at most while something ran, in bytes. */
  const growth = async (act: () => Promise<unknown>): Promise<number> => {
    const pid = rig.site.servers[0]?.pid ?? -1;
    resetPeak(pid);
    const before = memoryOf(pid).now;
    await act();
    return memoryOf(pid).peak - before;
  };

  it('oci 43: 1 GiB is pushed and pulled, and the server grows by less than 64 MiB', async () => {
    // Code is loaded and caches are filled by a small one.
    writeLarge(bob.path('small'), 8);
    await copy(`dir:${bob.path('small')}`, `docker://${rig.host}/bob/small:v1`);
    await copy(`docker://${rig.host}/bob/small:v1`, `dir:${bob.path('small-back')}`);
    const layer = writeLarge(bob.path('large'), 1024);
    const image = `docker://${rig.host}/bob/large:v1`;
    expect(await growth(() => copy(`dir:${bob.path('large')}`, image))).toBeLessThan(GROWTH);
    expect(await growth(() => copy(image, `dir:${bob.path('large-back')}`))).toBeLessThan(GROWTH);
    // skopeo has compared the digest.
    expect(statSync(bob.path(`large-back/${layer}`)).size).toBe(1024 * MIB);
  });
});
