import { familyClient } from './family.js';

for (const program of ['npm-9', 'npm-10', 'npm-11'] as const)
  familyClient({ program, publish: () => [['publish']], install: ['install'], whoami: ['whoami'], warm: 'revalidates' });
