import { join } from 'node:path';
import { familyClient } from './family.js';

familyClient({
  program: 'bun',
  publish: () => [['publish']],
  install: ['install'],
  env: (machine) => ({ BUN_INSTALL: join(machine.home, 'bun'), BUN_INSTALL_CACHE_DIR: join(machine.home, 'bun-cache') }),
  whoami: ['pm', 'whoami'],
  warm: 'revalidates',
});
