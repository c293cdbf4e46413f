import { orasScenario } from './scenario/oci-oras.js';
import { ONE_PROCESS } from './setups.js';

orasScenario(ONE_PROCESS);
