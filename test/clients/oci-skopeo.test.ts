import { onItsOwn } from './scenario/oci-rig.js';
import { skopeoScenario } from './scenario/oci-skopeo.js';
import { ONE_PROCESS } from './setups.js';

skopeoScenario(onItsOwn(ONE_PROCESS));
