import { familyClient } from './family.js';
import { NPM } from './family-clients.js';

for (const client of NPM) familyClient(client);
