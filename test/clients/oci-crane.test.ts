import { craneScenario } from './scenario/oci-crane.js';
import { onItsOwn } from './scenario/oci-rig.js';
import { ONE_PROCESS } from './setups.js';

craneScenario(onItsOwn(ONE_PROCESS));
