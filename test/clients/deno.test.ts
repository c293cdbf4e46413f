import { familyClient } from './family.js';
import { DENO } from './family-clients.js';

familyClient(DENO);
