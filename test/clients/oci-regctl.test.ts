import { regctlScenario } from './scenario/oci-regctl.js';
import { onItsOwn } from './scenario/oci-rig.js';
import { ONE_PROCESS } from './setups.js';

regctlScenario(onItsOwn(ONE_PROCESS));
