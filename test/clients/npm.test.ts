import { npmScenario } from './scenario/npm.js';
import { ONE_PROCESS } from './setups.js';

npmScenario(ONE_PROCESS);
