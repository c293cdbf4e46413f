import { npmScenario } from './scenario/npm.js';
import { FOUR_WORKERS } from './setups.js';

npmScenario(FOUR_WORKERS);
