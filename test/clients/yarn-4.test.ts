import { familyClient } from './family.js';
import { YARN_4 } from './family-clients.js';

familyClient(YARN_4);
