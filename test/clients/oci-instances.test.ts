import { afterAll } from 'vitest';
import { lacksVersitygw } from '../servers/binaries.js';
import { craneScenario } from './scenario/oci-crane.js';
import { ctrScenario } from './scenario/oci-ctr.js';
import { orasScenario } from './scenario/oci-oras.js';
import { podmanScenario } from './scenario/oci-podman.js';
import { regctlScenario } from './scenario/oci-regctl.js';
import { shared } from './scenario/oci-rig.js';
import { skopeoScenario } from './scenario/oci-skopeo.js';
import { TWO_FRESH_INSTANCES, TWO_INSTANCES } from './setups.js';

// The same as against one process, with requests going to the instances in turn: every client where each read looks at the bucket, and one where
// an instance may be a second behind.
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: container clients against two instances take minutes more; REQUIRE_CLIENTS=1 runs them');

const without = quick || lacksVersitygw('1.8.0');
const [fresh, stale] = [shared(TWO_FRESH_INSTANCES), shared(TWO_INSTANCES)];
afterAll(async () => {
  await fresh.stop();
  await stale.stop();
});
for (const scenario of [skopeoScenario, craneScenario, regctlScenario, orasScenario, ctrScenario]) scenario(fresh, without);
podmanScenario(fresh, { without, open: true });
orasScenario(stale, without);
