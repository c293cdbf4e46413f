import { familyClient } from './family.js';
import { BUN } from './family-clients.js';

familyClient(BUN);
