import { join } from 'node:path';
import { familyClient } from './family.js';

familyClient({
  program: 'deno',
  install: ['install'],
  files: (machine) => ({
    'deno.json': '{ "nodeModulesDir": "auto", "minimumDependencyAge": 0 }',
    '.npmrc': machine.read('.npmrc'),
  }),
  env: (machine) => ({ DENO_DIR: join(machine.home, 'deno'), DENO_NO_UPDATE_CHECK: '1' }),
  warm: 'trusts',
});
