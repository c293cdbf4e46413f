import { craneScenario } from './scenario/oci-crane.js';
import { ONE_PROCESS } from './setups.js';

craneScenario(ONE_PROCESS);
