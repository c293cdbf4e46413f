import { skopeoScenario } from './scenario/oci-skopeo.js';
import { ONE_PROCESS } from './setups.js';

skopeoScenario(ONE_PROCESS);
