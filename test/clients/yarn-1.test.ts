import { join } from 'node:path';
import { familyClient } from './family.js';

familyClient({
  program: 'yarn-1',
  publish: (version) => [['publish', '--non-interactive', '--new-version', version, '--no-git-tag-version']],
  install: ['install', '--non-interactive'],
  settings: (machine) => {
    machine.write('.yarnrc', `registry "${machine.registry}"\n`);
    machine.write('.npmrc', `${machine.read('.npmrc')}always-auth=true\n`);
  },
  env: (machine) => ({ YARN_CACHE_FOLDER: join(machine.home, 'yarn-cache') }),
  warm: 'asks',
});
