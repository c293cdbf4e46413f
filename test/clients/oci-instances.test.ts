import { afterAll } from 'vitest';
import { lacksVersitygw } from '../servers/binaries.js';
import { craneScenario } from './scenario/oci-crane.js';
import { orasScenario } from './scenario/oci-oras.js';
import { regctlScenario } from './scenario/oci-regctl.js';
import { shared } from './scenario/oci-rig.js';
import { skopeoScenario } from './scenario/oci-skopeo.js';
import { TWO_INSTANCES } from './setups.js';

// The same as against one process, with requests going to the instances in turn.
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: container clients against two instances take minutes more; REQUIRE_CLIENTS=1 runs them');

const without = quick || lacksVersitygw('1.8.0');
const setup = shared(TWO_INSTANCES);
afterAll(() => setup.stop());
for (const scenario of [skopeoScenario, craneScenario, regctlScenario, orasScenario]) scenario(setup, without);
