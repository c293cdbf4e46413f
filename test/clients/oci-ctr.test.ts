import { ctrScenario } from './scenario/oci-ctr.js';
import { onItsOwn } from './scenario/oci-rig.js';
import { ONE_PROCESS } from './setups.js';

ctrScenario(onItsOwn(ONE_PROCESS));
