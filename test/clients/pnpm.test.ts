import { familyClient } from './family.js';
import { PNPM } from './family-clients.js';

for (const client of PNPM) familyClient(client);
