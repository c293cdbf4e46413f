import { join } from 'node:path';
import { familyClient } from './family.js';

familyClient({
  program: 'yarn-4',
  publish: () => [['install'], ['npm', 'publish']],
  install: ['install'],
  // A lockfile of its own makes a folder a project.
  files: () => ({ 'yarn.lock': '', '.yarnrc.yml': 'nodeLinker: node-modules\n' }),
  env: (machine, token) => ({
    YARN_GLOBAL_FOLDER: join(machine.home, 'yarn-global'),
    YARN_NPM_REGISTRY_SERVER: machine.registry.replace(/\/$/, ''),
    YARN_NPM_AUTH_TOKEN: token,
    YARN_NPM_ALWAYS_AUTH: '1',
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
    YARN_NPM_MINIMAL_AGE_GATE: '0',
    YARN_ENABLE_IMMUTABLE_INSTALLS: '0',
    YARN_ENABLE_TELEMETRY: '0',
  }),
  whoami: ['npm', 'whoami'],
  warm: 'revalidates',
});
