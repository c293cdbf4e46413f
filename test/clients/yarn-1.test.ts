import { familyClient } from './family.js';
import { YARN_1 } from './family-clients.js';

familyClient(YARN_1);
