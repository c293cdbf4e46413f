import { afterAll } from 'vitest';
import { craneScenario } from './scenario/oci-crane.js';
import { orasScenario } from './scenario/oci-oras.js';
import { regctlScenario } from './scenario/oci-regctl.js';
import { shared } from './scenario/oci-rig.js';
import { skopeoScenario } from './scenario/oci-skopeo.js';
import { FOUR_WORKERS } from './setups.js';

// The same as against one process: its own tests go through it everywhere, CI through both.
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: container clients against four workers take minutes more; REQUIRE_CLIENTS=1 runs them');

const without = quick;
const setup = shared(FOUR_WORKERS);
afterAll(() => setup.stop());
for (const scenario of [skopeoScenario, craneScenario, regctlScenario, orasScenario]) scenario(setup, without);
