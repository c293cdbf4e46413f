import { join } from 'node:path';
import type { ClientName } from './programs.js';
import type { Sandbox } from './sandbox.js';

/** What sets one client of the family apart from the others. */
export interface FamilyClient {
  readonly program: ClientName;
  /** Commands that publish the package in a folder, one after the other. Absent: the client cannot; npm publishes for it. */
  readonly publish?: (version: string) => readonly (readonly string[])[];
  readonly install: readonly string[];
  /** Settings of its own, beside the `.npmrc`. */
  readonly settings?: (machine: Sandbox, token: string) => void;
  readonly env?: (machine: Sandbox, token: string) => Readonly<Record<string, string>>;
  /** Files of its own in every package and project. */
  readonly files?: (machine: Sandbox) => Readonly<Record<string, string>>;
  readonly whoami?: readonly string[];
  /** What it does with documents that it has from before: `revalidates` asks and is told 304, `asks` fetches them anew, `trusts` does not ask. */
  readonly warm: 'revalidates' | 'asks' | 'trusts';
}

export const NPM: readonly FamilyClient[] = (['npm-9', 'npm-10', 'npm-11'] as const).map((program) => ({
  program,
  publish: () => [['publish']],
  install: ['install'],
  whoami: ['whoami'],
  warm: 'revalidates',
}));

export const PNPM: readonly FamilyClient[] = (['pnpm-8', 'pnpm-9', 'pnpm-10', 'pnpm-12'] as const).map((program) => ({
  program,
  publish: () => [['publish', '--no-git-checks']],
  install: ['install'],
  whoami: ['whoami'],
  // The older ones ask without a condition.
  warm: program === 'pnpm-12' ? 'revalidates' : 'asks',
}));

export const YARN_1: FamilyClient = {
  program: 'yarn-1',
  publish: (version) => [['publish', '--non-interactive', '--new-version', version, '--no-git-tag-version']],
  install: ['install', '--non-interactive'],
  settings: (machine) => {
    machine.write('.yarnrc', `registry "${machine.registry}"\n`);
    machine.write('.npmrc', `${machine.read('.npmrc')}always-auth=true\n`);
  },
  env: (machine) => ({ YARN_CACHE_FOLDER: join(machine.home, 'yarn-cache') }),
  warm: 'asks',
};

export const YARN_4: FamilyClient = {
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
};

export const BUN: FamilyClient = {
  program: 'bun',
  publish: () => [['publish']],
  install: ['install'],
  env: (machine) => ({ BUN_INSTALL: join(machine.home, 'bun'), BUN_INSTALL_CACHE_DIR: join(machine.home, 'bun-cache') }),
  whoami: ['pm', 'whoami'],
  warm: 'revalidates',
};

export const DENO: FamilyClient = {
  program: 'deno',
  install: ['install'],
  files: (machine) => ({
    'deno.json': '{ "nodeModulesDir": "auto", "minimumDependencyAge": 0 }',
    '.npmrc': machine.read('.npmrc'),
  }),
  env: (machine) => ({ DENO_DIR: join(machine.home, 'deno'), DENO_NO_UPDATE_CHECK: '1' }),
  warm: 'trusts',
};

export const FAMILY: readonly FamilyClient[] = [...NPM, ...PNPM, YARN_1, YARN_4, BUN, DENO];
