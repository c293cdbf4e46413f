import { regctlScenario } from './scenario/oci-regctl.js';
import { ONE_PROCESS } from './setups.js';

regctlScenario(ONE_PROCESS);
