import { add } from '../log/set-log.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { P, spaceOf, tried, unfed } from './spaces.js';

const LATE = 2 * 60 * 60 * 1000;

/** Two writers of one package, two sweepers for whom every open marker has expired: a committed change is in the feed or still marked. */
const feed = (mutants: Mutants): Scenario => ({
  name: 'feed',
  processes: ['writer 1', 'writer 2', 'sweeper 1', 'sweeper 2'],
  async play(stage) {
    const [one, two] = [spaceOf(stage, 'writer 1', mutants), spaceOf(stage, 'writer 2', mutants)];
    const [first, second] = [
      spaceOf(stage, 'sweeper 1', mutants, { skew: LATE }),
      spaceOf(stage, 'sweeper 2', mutants, { skew: LATE }),
    ];
    await Promise.all([one, two, first, second].map((space) => space.open()));
    return {
      scripts: {
        'writer 1': async () => void (await tried(one.commit(P, add('1')))),
        'writer 2': async () => void (await tried(two.commit(P, add('2')))),
        'sweeper 1': async () => {
          await first.sweep();
          await first.sweep();
        },
        'sweeper 2': () => second.sweep(),
      },
      violated: () => unfed(stage),
    };
  },
});

checkScenario(feed, ['marker-expires-without-floor', 'marker-after-create']);
