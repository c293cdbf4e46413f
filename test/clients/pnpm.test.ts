import { familyClient } from './family.js';

for (const program of ['pnpm-8', 'pnpm-9', 'pnpm-10', 'pnpm-12'] as const)
  familyClient({
    program,
    publish: () => [['publish', '--no-git-checks']],
    install: ['install'],
    whoami: ['whoami'],
    // The older ones ask without a condition.
    warm: program === 'pnpm-12' ? 'revalidates' : 'asks',
  });
