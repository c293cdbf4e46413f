import { lacksVersitygw } from '../servers/binaries.js';
import { npmScenario } from './scenario/npm.js';
import { TWO_INSTANCES } from './setups.js';

npmScenario(TWO_INSTANCES, lacksVersitygw('1.8.0'));
