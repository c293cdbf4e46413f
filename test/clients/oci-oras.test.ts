import { orasScenario } from './scenario/oci-oras.js';
import { onItsOwn } from './scenario/oci-rig.js';
import { ONE_PROCESS } from './setups.js';

orasScenario(onItsOwn(ONE_PROCESS));
