import { add } from '../log/set-log.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { linesOf, logOf, P, spaceOf, tried, unfed } from './spaces.js';

const LATE = 2 * 60 * 60 * 1000;

/**
 * Two writers of one package feed what they have committed from memory, without a look at anybody's markers; a sweeper for whom every open marker has expired
 * looks at all of them. A committed change is in the feed or still marked, and what its writer has fed is in the feed.
 */
const ownMarkers = (mutants: Mutants): Scenario => ({
  name: 'own-markers',
  processes: ['writer 1', 'writer 2', 'sweeper'],
  async play(stage) {
    const [one, two] = [spaceOf(stage, 'writer 1', mutants), spaceOf(stage, 'writer 2', mutants)];
    const sweeper = spaceOf(stage, 'sweeper', mutants, { skew: LATE });
    await Promise.all([one, two, sweeper].map((space) => space.open()));
    const publish = async (space: typeof one, values: readonly string[]) => {
      for (const value of values) await tried(space.commit(P, add(value)));
      await space.feedOwn();
    };
    return {
      scripts: {
        'writer 1': () => publish(one, ['1', '2']),
        'writer 2': () => publish(two, ['3']),
        sweeper: () => sweeper.sweep(),
      },
      violated(finished) {
        const lost = unfed(stage);
        if (lost !== undefined || !finished) return lost;
        const fed = linesOf(stage, 'feed/r/').at(-1)?.changes.at(-1)?.to ?? 0;
        const written = logOf(stage).findLastIndex(({ changes }) => changes.some(({ type }) => type === 'add'));
        return fed > written ? undefined : `its writer has fed entry ${written}, and the feed ends before ${fed}`;
      },
    };
  },
});

checkScenario(ownMarkers, ['own-markers-unfed']);
