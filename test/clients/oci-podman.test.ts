import { podmanScenario } from './scenario/oci-podman.js';
import { guarded } from './scenario/oci-rig.js';
import { ONE_PROCESS } from './setups.js';

podmanScenario(guarded(ONE_PROCESS));
